#include "model/load/config_values.h"

#include <math.h>

// Numbers that a float holds with all its digits, as far as their inverses.
#define REAL_LEAST 1e-37
#define REAL_MOST 1e37

bool config_has_key(struct json_object *object, const char *key)
{
    struct json_object *value;
    return json_object_object_get_ex(object, key, &value);
}

/* Reads a size from 1 to 'most'; *out stays where the key is missing or null. */
static int read_given_size(struct json_object *object, const char *key, size_t most,
                           const char *also, size_t *out, struct err *err)
{
    struct json_object *value = json_member(object, key);
    if (!value) {
        return 0;
    }
    if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 1 ||
        json_object_get_uint64(value) > most) {
        return err_set(err, ERR_FORMAT, "\"%s\" is %.100s; expected a whole number from 1 to %zu%s",
                       key, json_object_to_json_string(value), most, also);
    }
    *out = json_object_get_uint64(value);
    return 0;
}

int config_read_size(struct json_object *object, const char *key, size_t most, size_t *out,
                     struct err *err)
{
    if (!json_member(object, key)) {
        return err_set(err, ERR_FORMAT, "\"%s\" is %s; expected a whole number from 1 to %zu", key,
                       config_has_key(object, key) ? "null" : "missing", most);
    }
    return read_given_size(object, key, most, "", out, err);
}

int config_read_optional_size(struct json_object *object, const char *key, size_t *out,
                              struct err *err)
{
    struct json_object *value = json_member(object, key);
    if (json_object_is_type(value, json_type_int) && json_object_get_int64(value) == -1) {
        return 0;
    }
    return read_given_size(object, key, CONFIG_SIZE_MAX, ", or -1 where it follows from others",
                           out, err);
}

int config_read_positive(struct json_object *object, const char *key, double none, double *out,
                         struct err *err)
{
    struct json_object *value = json_member(object, key);
    if (!value) {
        return 0;
    }
    const double number = json_object_get_double(value);
    const bool is_number =
        json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
    if (is_number && number == none) {
        return 0;
    }
    if (!is_number || !(number >= REAL_LEAST && number <= REAL_MOST)) {
        return err_set(err, ERR_FORMAT, "\"%s\" is %.100s; expected a number from %g to %g%s", key,
                       json_object_to_json_string(value), REAL_LEAST, REAL_MOST,
                       isnan(none) ? "" : ", or -1 where it follows from others");
    }
    *out = number;
    return 0;
}
