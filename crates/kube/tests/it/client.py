"""What a program on the Kubernetes client for Python does, and what it sees."""

import sys

from kubernetes import client, config, utils, watch
from kubernetes.client.rest import ApiException

config.load_kube_config(sys.argv[1])
core, apps = client.CoreV1Api(), client.AppsV1Api()
print("version", client.VersionApi().get_code().git_version)
print("nodes", [node.status.conditions[-1].type for node in core.list_node().items])

core.create_namespace({"metadata": {"name": "team"}})
for number in range(5):
    core.create_namespaced_config_map("team", {"metadata": {"name": f"c{number}", "labels": {"n": str(number)}}})
page = core.list_namespaced_config_map("team", limit=2, label_selector="n")
names = [item.metadata.name for item in page.items]
while page.metadata._continue:
    page = core.list_namespaced_config_map("team", limit=2, label_selector="n", _continue=page.metadata._continue)
    names += [item.metadata.name for item in page.items]
print("pages", names)

version = page.metadata.resource_version
core.patch_namespaced_config_map("c1", "team", {"data": {"a": "b"}})
core.delete_namespaced_config_map("c2", "team")
seen = []
events = watch.Watch()
for event in events.stream(core.list_namespaced_config_map, "team", resource_version=version, label_selector="n"):
    seen.append((event["type"], event["object"].metadata.name))
    if len(seen) == 2:
        events.stop()
print("watch", seen)

utils.create_from_dict(client.ApiClient(), {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "team"},
    "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
        "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}},
})
for event in events.stream(apps.list_namespaced_deployment, "team"):
    if event["object"].status.ready_replicas == 2:
        events.stop()
print("ready", apps.read_namespaced_deployment_status("web", "team").status.ready_replicas)
apps.patch_namespaced_deployment_scale("web", "team", {"spec": {"replicas": 1}})
print("scale", apps.read_namespaced_deployment_scale("web", "team").spec.replicas)

try:
    core.read_namespaced_config_map("c2", "team")
except ApiException as refusal:
    print("refused", refusal.status, refusal.reason)
try:
    core.create_namespaced_config_map("team", {"metadata": {"name": "c1"}})
except ApiException as refusal:
    print("refused", refusal.status, refusal.reason)
core.delete_namespace("team")
