//! Workloads with kubectl: what controllers make of them.

use serde_json::json;

use crate::{
    cluster::Cluster,
    kubectl::{WEB, ok, without_ages},
};

fn run(cluster: &Cluster, line: &str) -> String {
    ok(cluster.kubectl(&line.split(' ').collect::<Vec<_>>()))
}

#[test]
fn a_deployment_rolls_out_is_updated_undone_restarted_and_remembered() {
    let cluster = Cluster::start();
    let run = |line: &str| run(&cluster, line);
    ok(cluster.kubectl_with(&["apply", "-f", "-"], WEB));
    assert!(run("rollout status deployment/web --timeout=20s").contains("successfully rolled out"));
    assert_eq!(without_ages(&run("get deploy")), "NAME READY UP-TO-DATE AVAILABLE AGE\nweb 2/2 2 2 AGE");
    let pods = run("get pods -o wide -l app=web");
    assert_eq!(pods.matches("1/1     Running").count(), 2, "{pods}");
    assert!(pods.contains("aks-nodepool1-12345678-vmss00000") && pods.contains("10.244."), "{pods}");
    run("set image deployment/web nginx=nginx:1.28");
    run("rollout status deployment/web --timeout=20s");
    let images = "get pods -l app=web -o jsonpath={.items[*].spec.containers[*].image}";
    assert_eq!(run(images), "nginx:1.28 nginx:1.28");
    let history = run("rollout history deployment/web");
    assert!(history.contains("1         <none>\n2         <none>"), "{history}");
    assert_eq!(run("rollout undo deployment/web"), "deployment.apps/web rolled back\n");
    run("rollout status deployment/web --timeout=20s");
    assert_eq!(run(images), "nginx:1.27 nginx:1.27");
    assert!(run("rollout history deployment/web").contains("2         <none>\n3         <none>"));
    run("rollout restart deployment/web");
    run("rollout status deployment/web --timeout=20s");
    run("scale deployment/web --replicas=5");
    run("wait deployment/web --for=jsonpath={.status.readyReplicas}=5 --timeout=20s");
    run("wait deployment/web --for=condition=Available --timeout=20s");
    run("autoscale deployment/web --min=6 --max=8 --cpu-percent=80");
    run("wait deployment/web --for=jsonpath={.status.readyReplicas}=6 --timeout=20s");
    assert!(run("describe hpa web").contains("FailedGetResourceMetric"));
    let described = run("describe deployment web");
    assert!(described.contains("ScalingReplicaSet") && described.contains("MinimumReplicasAvailable"), "{described}");
    run("delete deployment web");
    assert_eq!(run("get pods,rs -o name"), "");
}

#[test]
fn services_have_endpoints_and_load_balancers_addresses() {
    let cluster = Cluster::start();
    let run = |line: &str| run(&cluster, line);
    ok(cluster.kubectl_with(&["apply", "-f", "-"], WEB));
    run("rollout status deployment/web --timeout=20s");
    run("wait endpoints/web --for=jsonpath={.subsets[0].ports[0].port}=80 --timeout=20s");
    let ready = run("get endpoints web -o jsonpath={.subsets[0].addresses[*].targetRef.kind}");
    assert_eq!(ready, "Pod Pod");
    let slices = run(
        "get endpointslices -l kubernetes.io/service-name=web -o jsonpath={.items[0].endpoints[*].conditions.ready}",
    );
    assert_eq!(slices, "true true");
    run("expose deployment web --name=public --type=LoadBalancer --port=80");
    run("wait service/public --for=jsonpath={.status.loadBalancer.ingress[0].ipMode}=VIP --timeout=20s");
    let service = run("get service public");
    assert!(service.contains("LoadBalancer") && service.contains(" 20.") && service.contains("80:3"), "{service}");
}

#[test]
fn stateful_and_daemon_sets_have_their_pods_claims_and_revisions() {
    let cluster = Cluster::start();
    let run = |line: &str| run(&cluster, line);
    let set = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, image: 'pg:1', volumeMounts: [{name: data, mountPath: /d}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: managed, resources: {requests: {storage: 1Gi}}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: managed}
provisioner: disk.csi.azure.com
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: c, image: 'agent:1'}]}
";
    ok(cluster.kubectl_with(&["apply", "-f", "-"], set));
    run("rollout status statefulset/db --timeout=20s");
    run("rollout status daemonset/agent --timeout=20s");
    assert_eq!(run("get pods -l app=db -o name"), "pod/db-0\npod/db-1\n");
    assert_eq!(run("get pods -l app=agent -o name").lines().count(), 3);
    run("wait pvc/data-db-1 --for=jsonpath={.status.phase}=Bound --timeout=20s");
    assert!(run("get pv").contains("default/data-db-0"));
    run("set image statefulset/db c=pg:2");
    run("rollout status statefulset/db --timeout=20s");
    assert_eq!(run("get pods -l app=db -o jsonpath={.items[*].spec.containers[*].image}"), "pg:2 pg:2");
    run("rollout undo statefulset/db");
    run("rollout status statefulset/db --timeout=20s");
    assert_eq!(run("get pods -l app=db -o jsonpath={.items[*].spec.containers[*].image}"), "pg:1 pg:1");
    run("set image daemonset/agent c=agent:2");
    run("rollout status daemonset/agent --timeout=20s");
    assert!(run("rollout history daemonset/agent").contains("2         <none>"));
}

#[test]
fn jobs_come_to_their_end_and_cron_jobs_make_them() {
    let cluster = Cluster::start();
    let run = |line: &str| run(&cluster, line);
    run("create job once --image=busybox");
    run("wait job/once --for=condition=Complete --timeout=20s");
    assert!(without_ages(&run("get jobs")).contains("once Complete 1/1"));
    let cron = ["create", "cronjob", "often", "--image=busybox", "--schedule=*/5 * * * *"];
    ok(cluster.kubectl(&cron));
    run("create job now --from=cronjob/often");
    run("wait job/now --for=condition=Complete --timeout=20s");
    assert!(without_ages(&run("get cronjobs")).contains("often */5 * * * * <none> False 0"));
}

#[test]
fn what_cannot_be_placed_waits_and_says_why() {
    let cluster = Cluster::start();
    let run = |line: &str| run(&cluster, line);
    let picky = "{apiVersion: v1, kind: Pod, metadata: {name: picky}, spec: {nodeSelector: {disk: fast}, \
                 containers: [{name: c, image: i}]}}";
    ok(cluster.kubectl_with(&["apply", "-f", "-"], picky));
    run("wait pod/picky --for=condition=PodScheduled=False --timeout=20s");
    let described = run("describe pod picky");
    assert!(
        described.contains("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."),
        "{described}"
    );
    run("label node aks-nodepool1-12345678-vmss000001 disk=fast");
    run("wait pod/picky --for=condition=Ready --timeout=20s");
}

#[test]
fn a_node_is_drained_as_far_as_budgets_allow() {
    let cluster = Cluster::start();
    let run = |line: &str| run(&cluster, line);
    ok(cluster.kubectl_with(&["apply", "-f", "-"], WEB));
    run("rollout status deployment/web --timeout=20s");
    run("create poddisruptionbudget web --selector=app=web --min-available=2");
    run("wait pdb/web --for=jsonpath={.status.currentHealthy}=2 --timeout=20s");
    let pod = run("get pods -l app=web -o jsonpath={.items[0].metadata.name}");
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}});
    let path = format!("/api/v1/namespaces/default/pods/{pod}/eviction");
    let (code, refused) = cluster.curl("POST", &path, &eviction);
    assert_eq!((code, &refused["details"]["causes"][0]["reason"]), (429, &json!("DisruptionBudget")), "{refused}");
    run("scale deployment/web --replicas=3");
    run("wait pdb/web --for=jsonpath={.status.disruptionsAllowed}=1 --timeout=20s");
    let node = run(&format!("get pod {pod} -o jsonpath={{.spec.nodeName}}"));
    let drained = run(&format!("drain {node} --ignore-daemonsets --timeout=30s"));
    assert!(drained.contains("drained"), "{drained}");
    assert_eq!(run(&format!("get pods --field-selector spec.nodeName={node} -o name")), "");
    run(&format!("uncordon {node}"));
}

#[test]
fn every_namespace_has_its_account_and_the_authoritys_certificate() {
    let cluster = Cluster::start();
    let run = |line: &str| run(&cluster, line);
    run("create namespace team");
    run("wait serviceaccount/default -n team --for=create --timeout=20s");
    run("wait configmap/kube-root-ca.crt -n team --for=create --timeout=20s");
    assert!(run("get cm kube-root-ca.crt -n team -o jsonpath={.data}").contains("BEGIN CERTIFICATE"));
}

#[test]
fn a_new_cluster_has_what_aks_brings_and_its_nodes_beat() {
    let cluster = Cluster::start();
    let run = |line: &str| run(&cluster, line);
    run("rollout status deployment/coredns -n kube-system --timeout=20s");
    run("rollout status daemonset/kube-proxy -n kube-system --timeout=20s");
    assert_eq!(run("get service kube-dns -n kube-system -o jsonpath={.spec.clusterIP}"), "10.0.0.10");
    assert!(run("get storageclass").contains("default (default)"));
    let leases = run("get leases -n kube-node-lease");
    assert!(leases.contains("aks-nodepool1-12345678-vmss000000"), "{leases}");
    let ready = run("get --raw /readyz?verbose");
    assert!(ready.contains("[+]etcd ok") && ready.ends_with("readyz check passed\n"), "{ready}");
}
