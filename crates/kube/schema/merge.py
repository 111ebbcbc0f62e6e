#!/usr/bin/env python3
"""Writes merge.txt: how the values of built-in types are merged field by field.

    merge.py <YAML of the API's typed schema> <sources of the crate k8s-openapi> > merge.txt

The first is the schema that structured-merge-diff reads. A line with a dot first names a type (`atomic` when it is
one value as a whole); the lines below it are its fields that are no leaves: name, shape, type. Shapes: `@` a type
of its own, `{}` a map, `[]` a set, `[a,b=c]` a list of things told apart by a and b, where b is c when absent; `!` behind it: never absent.
Whatever is not listed is a leaf.
"""
import os, re, sys, yaml

schema = yaml.safe_load(open(sys.argv[1]))
source = os.path.join(sys.argv[2], "src")
newest = os.path.join(source, max((d for d in os.listdir(source) if re.fullmatch(r"v1_\d+", d)), key=lambda d: int(d[3:])))
types = {entry["name"]: entry for entry in schema["types"]}
required = set()
for folder, _, files in os.walk(newest):
    for file in files:
        for name, fields in re.findall(r'fn schema_name\(\)[^{]*\{\s*"([\w.]+)"\.into.*?"required": \[(.*?)\]', open(os.path.join(folder, file)).read(), re.S):
            required |= {(name, field) for field in re.findall(r'"(\w+)"', fields)}

def short(name):
    return "?" if name == "__untyped_deduced_" else name.removeprefix("io.k8s.")

def reference(kind):
    """Shape and type; None for a leaf."""
    if kind.get("elementRelationship") == "atomic":
        return None
    if "namedType" in kind:
        name = kind["namedType"]
        if name == "__untyped_deduced_":
            return "@", "?"
        target = types.get(name, {})
        if kind.get("elementRelationship") == "separable" or (target.get("map") and target["map"].get("elementRelationship") != "atomic"):
            if "fields" in target.get("map", {}):
                return "@", short(name)
            return ("@", "?") if "list" in target else None
        return None
    if "list" in kind:
        inner = kind["list"]
        if inner["elementRelationship"] == "atomic":
            return None
        element = inner["elementType"]
        keys = inner.get("keys", [])
        if not keys:
            return "[]", ""
        named = element["namedType"]
        defaults = {f["name"]: f["default"] for f in types[named]["map"]["fields"] if f.get("default")}
        return "[" + ",".join(k + (f"={defaults[k]}" if k in defaults else "") for k in keys) + "]", short(named)
    if "map" in kind:
        inner = kind["map"]
        if inner.get("elementRelationship") == "atomic":
            return None
        element = inner.get("elementType", {})
        below = reference(element) if element else None
        return "{}", (below[1] if below and below[0] == "@" else "{}" if below and below[0] == "{}" else "")
    return None

for name in sorted(types):
    kind = types[name]
    if "map" not in kind or name.startswith("__") or "fields" not in kind["map"]:
        continue
    lines = []
    for field in kind["map"]["fields"]:
        found = reference(field["type"])
        if found:
            never_absent = field.get("default") == {} or (name, field["name"]) in required
            lines.append(" ".join(part for part in (field["name"], found[0] + ("!" if never_absent else ""), found[1]) if part))
    atomic = kind["map"].get("elementRelationship") == "atomic"
    if lines and not atomic:
        print("." + short(name))
        print(*lines, sep="\n")
    elif atomic:
        print("." + short(name), "atomic")
