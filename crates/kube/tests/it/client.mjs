// What a program on the Kubernetes client for JavaScript does, and what it sees.

import { AppsV1Api, CoreV1Api, KubeConfig, KubernetesObjectApi, VersionApi, makeInformer } from "@kubernetes/client-node";

const config = new KubeConfig();
config.loadFromFile(process.env.KUBECONFIG);
const [core, apps] = [config.makeApiClient(CoreV1Api), config.makeApiClient(AppsV1Api)];
console.log("version", (await config.makeApiClient(VersionApi).getCode()).gitVersion);

await core.createNamespace({ body: { metadata: { name: "team" } } });
const objects = KubernetesObjectApi.makeApiClient(config);
const made = await objects.create({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "settings", namespace: "team", labels: { app: "a" } },
  data: { a: "b" },
});
console.log("made", made.kind, made.metadata.name, made.data);

const events = [];
let told;
const enough = new Promise((resolve) => (told = resolve));
const list = () => core.listNamespacedConfigMap({ namespace: "team", labelSelector: "app=a" });
const informer = makeInformer(config, "/api/v1/namespaces/team/configmaps", list, "app=a");
for (const verb of ["add", "update", "delete"]) {
  informer.on(verb, (object) => {
    events.push(`${verb} ${object.metadata.name} ${object.data?.a}`);
    if (verb === "delete") told();
  });
}
await informer.start();
await objects.patch({ apiVersion: "v1", kind: "ConfigMap", metadata: made.metadata, data: { a: "c" } });
await core.deleteNamespacedConfigMap({ name: "settings", namespace: "team" });
await enough;
await informer.stop();
console.log("informer", events.join(", "));

await apps.createNamespacedDeployment({
  namespace: "team",
  body: {
    metadata: { name: "web" },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "nginx" }] } },
    },
  },
});
const scale = await apps.readNamespacedDeploymentScale({ name: "web", namespace: "team" });
console.log("scale", scale.spec.replicas);
await core.readNamespacedConfigMap({ name: "settings", namespace: "team" }).catch((refusal) => {
  console.log("refused", refusal.code, JSON.parse(refusal.body).message);
});
await core.deleteNamespace({ name: "team" });
