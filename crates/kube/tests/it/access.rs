//! Who may do what: roles, bindings, tokens of service accounts, acting as somebody else.

use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, TOKEN},
    kubectl::ok,
};

/// What a line of kubectl's prints that is to succeed.
pub(crate) fn run(cluster: &Cluster, line: &str) -> String {
    ok(cluster.kubectl(&line.split(' ').collect::<Vec<_>>()))
}

/// What one prints that is to fail.
pub(crate) fn refused(cluster: &Cluster, line: &str) -> String {
    let printed = cluster.kubectl(&line.split(' ').collect::<Vec<_>>());
    assert!(!printed.ok, "{line}\n{}", printed.text);
    printed.text
}

#[test]
fn an_account_may_do_what_its_role_says_and_nothing_else() {
    let cluster = Cluster::start();
    run(&cluster, "create namespace team");
    run(&cluster, "create serviceaccount robot -n team");
    run(&cluster, "create rolebinding robot --clusterrole=view --serviceaccount=team:robot -n team");
    let token = run(&cluster, "create token robot -n team");
    cluster.sign_in_by_token(token.trim());
    assert!(run(&cluster, "auth whoami").contains("system:serviceaccount:team:robot"));
    assert_eq!(run(&cluster, "get pods -n team"), "No resources found in team namespace.\n");
    assert_eq!(
        refused(&cluster, "get pods -n default"),
        "Error from server (Forbidden): pods is forbidden: User \"system:serviceaccount:team:robot\" cannot list resource \
         \"pods\" in API group \"\" in the namespace \"default\"\n"
    );
    assert!(
        refused(&cluster, "get nodes")
            .contains("cannot list resource \"nodes\" in API group \"\" at the cluster scope")
    );
    assert!(refused(&cluster, "get secrets -n team").contains("cannot list resource \"secrets\""));
    assert!(refused(&cluster, "create configmap c -n team").contains("cannot create resource \"configmaps\""));
    assert_eq!(run(&cluster, "auth can-i list pods -n team"), "yes\n");
    assert_eq!(refused(&cluster, "auth can-i delete pods -n team"), "no\n");
    let list = run(&cluster, "auth can-i --list -n team");
    assert!(
        list.contains("selfsubjectrulesreviews.authorization.k8s.io") && list.contains("[get list watch]"),
        "{list}"
    );
    assert!(run(&cluster, "api-resources").contains("deployments"), "everybody may discover");
}

#[test]
fn a_token_ends_with_its_account_and_is_reviewed_and_published() {
    let cluster = Cluster::start();
    run(&cluster, "create serviceaccount robot");
    let token = run(&cluster, "create token robot --duration=20m");
    let token = token.trim();
    let review = json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}});
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let (code, reviewed) = cluster.curl("POST", path, &review);
    assert_eq!((code, &reviewed["status"]["authenticated"]), (201, &json!(true)), "{reviewed}");
    assert_eq!(reviewed["status"]["user"]["username"], "system:serviceaccount:default:robot");
    let (_, configuration) = cluster.curl("GET", "/.well-known/openid-configuration", &Value::Null);
    assert!(configuration["jwks_uri"].as_str().unwrap().ends_with("/openid/v1/jwks"));
    assert_eq!(cluster.curl("GET", "/openid/v1/jwks", &Value::Null).1["keys"][0]["kty"], "RSA");
    run(&cluster, "delete serviceaccount robot");
    assert_ne!(cluster.curl("POST", path, &review).1["status"]["authenticated"], json!(true));
    cluster.sign_in_by_token(token);
    assert!(refused(&cluster, "get pods").contains("You must be logged in to the server"));
}

#[test]
fn administrators_act_as_others_and_others_do_not() {
    let cluster = Cluster::start();
    assert_eq!(refused(&cluster, "auth can-i create deployments --as=jane"), "no\n");
    run(&cluster, "create clusterrolebinding jane --clusterrole=edit --user=jane");
    assert_eq!(run(&cluster, "auth can-i create deployments --as=jane"), "yes\n");
    run(&cluster, "create configmap c --as=jane");
    let beyond = refused(&cluster, "create clusterrolebinding more --clusterrole=cluster-admin --user=jane --as=jane");
    assert!(beyond.contains("cannot create resource \"clusterrolebindings\""), "{beyond}");
    run(&cluster, "create clusterrolebinding owner --clusterrole=admin --user=owner");
    let granted = refused(&cluster, "create role secret --verb=* --resource=nodes --as=owner -n default");
    assert!(granted.contains("is attempting to grant RBAC permissions not currently held"), "{granted}");
    run(&cluster, "create role reader --verb=get --resource=pods --as=owner -n default");
    run(&cluster, "create rolebinding viewers --clusterrole=view --user=joe --as=owner -n default");
    cluster.sign_in_by_token(TOKEN);
    run(&cluster, "create serviceaccount robot");
    let token = run(&cluster, "create token robot");
    cluster.sign_in_by_token(token.trim());
    let acted = refused(&cluster, "get pods --as=jane");
    assert!(acted.contains("cannot impersonate resource \"users\""), "{acted}");
}

#[test]
fn roles_that_are_put_together_take_what_users_add_to_them() {
    let cluster = Cluster::start();
    let role = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: tabs, labels: \
                {rbac.authorization.k8s.io/aggregate-to-view: 'true'}}, rules: [{apiGroups: [stable.example.com], \
                resources: [crontabs], verbs: [get]}]}";
    ok(cluster.kubectl_with(&["apply", "-f", "-"], role));
    run(&cluster, "create clusterrolebinding joe --clusterrole=view --user=joe");
    let review = json!({"spec": {"user": "joe", "resourceAttributes":
        {"verb": "get", "group": "stable.example.com", "resource": "crontabs", "namespace": "default"}}});
    let (_, answer) = cluster.curl("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", &review);
    assert_eq!(answer["status"]["allowed"], json!(true), "{answer}");
    assert!(answer["status"]["reason"].as_str().unwrap().contains("ClusterRoleBinding \"joe\""), "{answer}");
    // What is collected stands in the roles themselves, and in those that take from them.
    run(
        &cluster,
        "wait clusterrole/admin --for=jsonpath={.rules[?(@.apiGroups[0]==\"stable.example.com\")].resources[0]}=crontabs --timeout=20s",
    );
    run(&cluster, "label clusterrole tabs rbac.authorization.k8s.io/aggregate-to-view-");
    let rules = "jsonpath={.rules[?(@.apiGroups[0]==\"stable.example.com\")].resources[0]}";
    let (_, answer) = cluster.curl("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", &review);
    assert_eq!(answer["status"]["allowed"], json!(false), "{answer}");
    assert_eq!(run(&cluster, &format!("get clusterrole view -o {rules}")), "");
}
