# The arrows between folders, read off the #include lines (the linker does not check them).
#
# Each line of the table is a folder and the folders that it may include; its own is always allowed.
# A file belongs to the longest folder of the table that its path begins with.  "model*" stands for
# every folder of the table that begins so.
#
# Also: every header is included from the root of the tree, and a .c file includes its own first.
cmake_minimum_required(VERSION 3.25)
get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)

set(table
  "corpora/base      :"
  "corpora/parquet   : corpora/base"
  "corpora           : corpora/base corpora/parquet"
  "model/kernels     : corpora/base"
  "model/weights     : corpora/base"
  "model/tokenizer   : corpora/base"
  "model/counts      : corpora/base"
  "model/load        : corpora/base model/weights"
  "model/fetch       : corpora/base model/load"
  "model/pass        : corpora/base model/load model/kernels"
  "model/explain     : corpora/base model/load model/kernels model/pass"
  "model/demo/train  : corpora corpora/base model/tokenizer"
  "miners/core       : corpora/base"
  "miners/code       : corpora/base miners/core"
  "miners/kinds      : corpora/base miners/core miners/code"
  "miners            : corpora/base miners/core miners/kinds"
  "out/sql           : corpora/base"
  "out/results       : corpora/base out/sql"
  "out/results/gaps  : corpora/base out/sql out/results"
  "out/results/classes: corpora/base out/sql out/results out/results/gaps"
  "out/results/compare: corpora/base out/sql out/results out/results/gaps"
  "out/results/composition: corpora/base out/sql out/results"
  "out/results/depth: corpora/base out/sql out/results"
  "out/results/heads: corpora/base out/sql out/results"
  "out/results/means: corpora/base out/sql out/results"
  "out/results/documents: corpora/base out/sql out/results out/results/gaps"
  "out/results/token_means: corpora/base out/sql out/results out/results/neurons"
  "out/results/neurons : corpora/base out/sql out/results"
  "out/results/trigrams: corpora/base out/sql out/results out/results/gaps out/results/neurons"
  "out/results/skips : corpora/base out/sql out/results"
  "out/results/record: corpora/base out/results"
  "out/store         : corpora/base out/sql out/results"
  "out               : corpora/base out/results*"
  "out/read          : corpora/base out/store"
  "out/text          : corpora/base out/read"
  "out/report        : corpora/base out/read"
  "out/export        : corpora/base out/read"
  "scan/cli          : corpora/base"
  "scan/load         : corpora* model* miners* out/read out/text scan/cli"
  "scan/plan         : corpora* model* miners* out/results* out/read scan/cli scan/load"
  "scan/work         : corpora* model* miners* out/results* out/sql out/store out/read scan/cli scan/load scan/plan"
  "scan/suggest      : corpora/base miners miners/core miners/kinds out/read"
  "scan/count        : corpora* model* scan/cli scan/load scan/work"
  "scan/cmd          : corpora* model* miners* out* scan/cli scan/load scan/plan scan/work scan/count scan/suggest"
  "scan              : corpora/base miners/kinds scan/cli scan/cmd"
)

set(folders "")
foreach(line ${table})
  string(REGEX REPLACE " *:.*" "" folder "${line}")
  list(APPEND folders ${folder})
endforeach()
foreach(line ${table})
  string(REGEX MATCH "^([^: ]+) *:(.*)$" all "${line}")
  set(folder ${CMAKE_MATCH_1})
  string(REGEX MATCHALL "[^ ]+" words "${CMAKE_MATCH_2}")
  set(may_include_${folder} ${folder})
  foreach(word ${words})
    string(REGEX REPLACE "\\*$" "" prefix ${word})
    if(word STREQUAL prefix)
      list(APPEND may_include_${folder} ${word})
    else()
      set(matching ${folders})
      list(FILTER matching INCLUDE REGEX "^${prefix}(/|$)")
      list(APPEND may_include_${folder} ${matching})
    endif()
  endforeach()
  foreach(other ${may_include_${folder}})
    if(NOT other IN_LIST folders)
      message(FATAL_ERROR "${folder} may include ${other}, which is no line of the table")
    endif()
  endforeach()
endforeach()

# The longest folder of the table that 'path' lies in.
function(folder_of path out)
  set(best "")
  foreach(folder ${folders})
    string(LENGTH "${folder}" length)
    string(LENGTH "${best}" best_length)
    string(FIND "${path}" "${folder}/" at)
    if(at EQUAL 0 AND length GREATER best_length)
      set(best ${folder})
    endif()
  endforeach()
  set(${out} "${best}" PARENT_SCOPE)
endfunction()

set(bad 0)
set(seen 0)
file(GLOB_RECURSE sources RELATIVE ${root}
  ${root}/corpora/*.[ch] ${root}/model/*.[ch] ${root}/miners/*.[ch] ${root}/out/*.[ch] ${root}/scan/*.[ch])
foreach(source ${sources})
  math(EXPR seen "${seen} + 1")
  folder_of(${source} from)
  file(STRINGS ${root}/${source} includes REGEX "^[ \t]*#[ \t]*include[ \t]*\"")
  string(REGEX REPLACE "c$" "h" own ${source})
  set(first TRUE)
  foreach(line ${includes})
    string(REGEX REPLACE "^[^\"]*\"([^\"]*)\".*" "\\1" header ${line})
    if(NOT EXISTS ${root}/${header})
      message("${source}: \"${header}\" is not a path from the root of the tree")
      math(EXPR bad "${bad} + 1")
    endif()
    if(first AND source MATCHES "\\.c$" AND EXISTS ${root}/${own} AND NOT header STREQUAL own)
      message("${source}: its own header \"${own}\" must come first")
      math(EXPR bad "${bad} + 1")
    endif()
    set(first FALSE)
    folder_of(${header} to)
    if(NOT to IN_LIST may_include_${from})
      message("${source}: ${from} may not include \"${header}\"")
      math(EXPR bad "${bad} + 1")
    endif()
  endforeach()
endforeach()

# The table itself has no circle: what is removed in turn is a folder that includes no other that is left.
set(left ${folders})
set(shrinks TRUE)
while(shrinks)
  set(shrinks FALSE)
  foreach(folder ${left})
    set(needs ${may_include_${folder}})
    list(REMOVE_ITEM needs ${folder})
    set(ready TRUE)
    foreach(other ${needs})
      if(other IN_LIST left)
        set(ready FALSE)
      endif()
    endforeach()
    if(ready)
      list(REMOVE_ITEM left ${folder})
      set(shrinks TRUE)
    endif()
  endforeach()
endwhile()
if(left)
  message(FATAL_ERROR "the table has a circle among: ${left}")
endif()
if(seen EQUAL 0)
  message(FATAL_ERROR "no sources found below ${root}")
endif()
if(bad)
  message(FATAL_ERROR "${bad} includes go against the layers")
endif()
message("${seen} files keep the layers")
