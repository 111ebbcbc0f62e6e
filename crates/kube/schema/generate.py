#!/usr/bin/env python3
"""Writes protobuf.txt, the wire schema of the built-in kinds.

    generate.py <sources of the crate k8s-pb> <sources of the crate k8s-openapi> > protobuf.txt

Tags and types come from the first, the JSON spelling of each field from the second. A line with a
slash names a message; the lines below it are its fields: tag, JSON name, type, message. `*` is a list, `%` a map, `~` a
message whose fields stand in JSON where it would.
"""
import os, re, sys

pb, openapi = (os.path.join(path, "src") for path in sys.argv[1:3])
newest = os.path.join(openapi, max((d for d in os.listdir(openapi) if re.fullmatch(r"v1_\d+", d)), key=lambda d: int(d[3:])))

spelling = {}
for folder, _, files in os.walk(newest):
    for file in files:
        text = open(os.path.join(folder, file)).read()
        key = os.path.relpath(os.path.join(folder, file), newest)[:-3].replace("_", "").lower()
        spelling[key] = {n.lower(): n for n in re.findall(r'^\s+"([\w$]+)" => (?:Field::)?Key', text, re.M)}

def camel(name):
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)

messages = {}
for folder, _, files in os.walk(pb):
    module = os.path.relpath(folder, pb).replace(os.sep, "/")
    for file in files:
        text = re.sub(r"^\s*///.*$", "", open(os.path.join(folder, file)).read(), flags=re.M)
        for name, body in re.findall(r"^pub struct (\w+) \{(.*?)^\}", text, re.M | re.S):
            fields = []
            for attribute, field, kind in re.findall(r"#\[prost\(([^)]*)\)\]\s*pub (?:r#)?(\w+):\s+(.*?),\s*(?=#\[|\Z)", body, re.S):
                tag = int(re.search(r'tag\s*=\s*"(\d+)"', attribute).group(1))
                wire, shape = re.match(r"\w+", attribute).group(0), ""
                pair = re.search(r'map\s*=\s*"(\w+), (\w+)"', attribute)
                if pair:
                    wire, shape = pair.group(2), "%"
                elif "repeated" in attribute:
                    shape = "*"
                target = ""
                if wire == "message":
                    path = re.findall(r"(?:\w+::)*\w+", kind.replace(" ", "").replace("\n", ""))[-1]
                    parts, at = path.split("::"), module.split("/")
                    while parts[0] == "super":
                        parts, at = parts[1:], at[:-1]
                    target = "/".join(at + parts)
                names = spelling.get(f"{module}/{name}".replace("_", "").lower(), {})
                json = names.get(field.replace("_", "").lower(), camel(field))
                if names and json not in names.values() and not shape and target.lower().endswith(json.lower()):
                    shape = "~"
                letter = {"string": "s", "bool": "b", "bytes": "y", "double": "d", "message": "m"}.get(wire, "i")
                fields.append((tag, json, shape + letter, target))
            messages[f"{module}/{name}"] = sorted(fields)

reached, todo = set(), [m for m in messages if re.fullmatch(r"api/\w+/v\d+/\w+", m) or m.endswith("meta/v1/DeleteOptions")]
while todo:
    message = todo.pop()
    if message not in reached and message in messages:
        reached.add(message)
        todo += [target for *_, target in messages[message] if target]
for message in sorted(reached):
    print(message)
    for field in messages[message]:
        print(*(str(part) for part in field if part != ""))
