"""A small Hugging Face hub on loopback, for tests of `gapscope fetch`.

    hub_mock.py ROOT PORT       the hub on PORT, "the CDN" of large files on PORT + 1

ROOT/models/OWNER/NAME and ROOT/datasets/OWNER/NAME are repositories; NAME@BRANCH beside one is another
branch, its slashes written %2F.  .mock.json in one: {"gated", "private", "renamed_to", "names": [...]}
(more names in its list).  POST /_mock/faults takes a list of {"path": regex, "side": "hub"|"cdn",
"kind", "count", ...}, POST /_mock/reset forgets them and the log, GET /_mock/log gives the requests.
"""
import hashlib
import json
import os
import re
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

root, port = os.path.abspath(sys.argv[1]), int(sys.argv[2])
faults, log, lock = [], [], threading.Lock()


def read(path):
    with open(path, "rb") as f:
        return f.read()


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(name):
    return name.endswith((".pth", ".parquet", ".safetensors"))


class Repo:
    def __init__(self, folder):
        self.folder = folder
        settings = os.path.join(folder, ".mock.json")
        self.settings = json.loads(read(settings)) if os.path.exists(settings) else {}

    def names(self):
        found = []
        for at, _, names in os.walk(self.folder):
            found += [os.path.relpath(os.path.join(at, n), self.folder) for n in names if n != ".mock.json"]
        return sorted(found)

    def commit(self):
        return hashlib.sha1("".join(n + git_hash(read(os.path.join(self.folder, n))) for n in self.names()).encode()).hexdigest()


def find(kind, name, revision):
    base = os.path.join(root, kind, name)
    if not os.path.isdir(base):
        return "RepoNotFound"
    others = [n for n in os.listdir(os.path.dirname(base)) if n.startswith(os.path.basename(base) + "@")]
    repos = {"main": Repo(base)}
    repos.update({urllib.parse.unquote(n.split("@")[1]): Repo(os.path.join(os.path.dirname(base), n)) for n in others})
    for branch, repo in repos.items():
        if revision in (branch, repo.commit()):
            return repo
    return "RevisionNotFound"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code="", message="", **headers):
        self.reply(status, {"error": message}, X_Error_Code=code, X_Error_Message=message, **headers)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with lock:
            if self.path == "/_mock/reset":
                log.clear()
                faults.clear()
            else:
                faults[:] = json.loads(body)
        self.reply(200, {})

    def do_HEAD(self):
        self.do_GET()

    def fault(self):
        with lock:
            for f in faults:
                if f.get("side", self.server.side) == self.server.side and f.get("count", 1) != 0 and \
                        re.search(f.get("path", ""), self.path):
                    f["count"] = f.get("count", 1) - 1
                    return f
        return {}

    def do_GET(self):
        if self.path == "/_mock/log":
            return self.reply(200, log)
        with lock:
            log.append({"side": self.server.side, "method": self.command, "path": self.path,
                        "range": self.headers.get("Range"), "auth": self.headers.get("Authorization")})
        f = self.fault()
        kind = f.get("kind")
        if kind == "status":
            extra = {"Retry_After": str(f["retry_after"])} if "retry_after" in f else {}
            if "ratelimit" in f:
                extra["RateLimit"] = '"resolvers";r=0;t=%d' % f["ratelimit"]
            return self.error(f["status"], "", f.get("message", ""), **extra)
        if kind == "refuse":
            self.close_connection = True
            return self.connection.close()
        if kind == "portal":
            return self.reply(200, b"<html>log in</html>")
        if kind == "redirect_loop":
            return self.reply(302, Location=self.path)
        url = urllib.parse.urlsplit(self.path)
        if self.server.side == "cdn":
            return self.cdn(url, f)
        auth = self.headers.get("Authorization")
        if auth and auth != "Bearer hf_good":
            return self.error(401, "", "Invalid credentials in Authorization header")
        m = re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", url.path)
        if m and not url.path.startswith("/api/"):
            return self.resolve("datasets" if m[1] else "models", m[2], *map(urllib.parse.unquote, (m[3], m[4])), f)
        m = re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/revision/([^/]+)", url.path)
        if m:
            return self.api(m[1], m[2], urllib.parse.unquote(m[3]))
        m = re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/parquet", url.path)
        return self.parquet(m[1]) if m else self.error(404)

    def repo(self, kind, name, revision):
        """The repository; None after an error was sent"""
        repo = find(kind, name, revision)
        known = self.headers.get("Authorization")
        if repo == "RepoNotFound" or (repo != "RevisionNotFound" and repo.settings.get("private") and not known):
            self.error(404 if known else 401, "RepoNotFound", "Repository not found")
        elif repo == "RevisionNotFound":
            self.error(404, "RevisionNotFound")
        elif "renamed_to" in repo.settings:
            self.reply(307, Location=self.path.replace(name, repo.settings["renamed_to"], 1))
        else:
            return repo
        return None

    def api(self, kind, name, revision):
        repo = self.repo(kind, name, revision)
        if repo:
            names = repo.names()
            sizes = [{"rfilename": n, "size": os.path.getsize(os.path.join(repo.folder, n))} for n in names]
            self.reply(200, {"sha": repo.commit(), "tags": ["license:mit"],
                             "siblings": sizes + [{"rfilename": n, "size": 1} for n in repo.settings.get("names", [])]})

    def parquet(self, name):
        repo, urls = self.repo("datasets", name, "refs/convert/parquet"), {}
        for path in repo.names() if repo else []:
            config, split, _ = path.split("/")
            urls.setdefault(config, {}).setdefault(split, []).append("http://127.0.0.1:%d/%s" % (port, path))
        if repo:
            self.reply(200, urls)

    def resolve(self, kind, name, revision, path, f):
        repo = self.repo(kind, name, revision)
        if not repo:
            return None
        if repo.settings.get("gated") and not self.headers.get("Authorization"):
            return self.error(401, "GatedRepo", "Access is restricted")
        if path not in repo.names():
            return self.error(404, "EntryNotFound", X_Repo_Commit=repo.commit())
        data = read(os.path.join(repo.folder, path))
        headers = {} if f.get("kind") == "no_commit" else {"X_Repo_Commit": repo.commit()}
        sha256 = hashlib.sha256(b"wrong" if f.get("kind") == "wrong_sha" else data).hexdigest()
        if is_large(path):
            size = len(data) + (7 if f.get("kind") == "wrong_size" else 0)
            full = urllib.parse.quote(os.path.join(repo.folder, path), safe="")
            return self.reply(302, Location="http://127.0.0.1:%d/blob?path=%s" % (port + 1, full), X_Linked_Size=str(size),
                              X_Linked_Etag='"%s"' % sha256, ETag='"of the redirect"', **headers)
        etag = '"%s"' % git_hash(data)
        headers["ETag"] = "W/" + etag if f.get("kind") == "weak_etag" else etag
        return self.send(data, f, headers)

    def cdn(self, url, f):
        if self.headers.get("Authorization"):
            return self.error(400, "", "Only one auth mechanism allowed")
        if f.get("kind") == "expired":
            return self.error(403, "", "Request has expired")
        return self.send(read(urllib.parse.parse_qs(url.query)["path"][0]), f, {})

    def send(self, data, f, headers):
        kind, status, size = f.get("kind"), 200, len(data)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if asked and kind != "ignore_range":
            at = int(asked[1])
            if at >= size:
                return self.reply(416, Content_Range="bytes */%d" % size)
            status, data = 206, data[at:]
            headers["Content_Range"] = "bytes %d-%d/%d" % (at, size - 1, size)
        if self.command == "HEAD":
            return self.reply(status, Content_Length=str(len(data)), **headers)
        if kind == "corrupt":
            data = bytes([data[0] ^ 1]) + data[1:]
        if kind not in ("cut", "slow", "stall"):
            return self.reply(status, data, **headers)
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        after = f.get("after", 0)
        try:
            self.wfile.write(data[:after])
            if kind == "cut":
                self.close_connection = True
                return self.connection.close()
            time.sleep(f.get("seconds", 0))
            for i in range(after, len(data), 20000):
                self.wfile.write(data[i:i + 20000])
                if kind == "slow":
                    time.sleep(20000 / f["bytes_per_second"])
        except OSError:
            self.close_connection = True
        return None


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # a client that goes away


servers = [Server(("127.0.0.1", port + i), Handler) for i in range(2)]
servers[0].side, servers[1].side = "hub", "cdn"
threading.Thread(target=servers[1].serve_forever, daemon=True).start()
print("ready", flush=True)
servers[0].serve_forever()
