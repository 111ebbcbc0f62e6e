//! Claims of volumes: a class that there is provides a volume for each.
//!
//! Source: kubernetes/kubernetes `pkg/controller/volume/persistentvolume`.

use serde_json::{Value, json};

use super::view::{Plan, View, name, uid};

/// Binds the claims that can be bound.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    for claim in view.of("persistentvolumeclaims").filter(|claim| claim["status"]["phase"] != "Bound") {
        bind(view, plan, claim);
    }
}

fn bind(view: &View, plan: &mut Plan, claim: &Value) {
    let spec = &claim["spec"];
    let is_default =
        |class: &&Value| class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
    let class = match spec["storageClassName"].as_str() {
        // Whoever wants no class wants a volume that somebody made.
        Some("") => return,
        Some(class) => view.storage_classes.iter().find(|held| name(held) == class),
        None => view.storage_classes.iter().find(is_default),
    };
    let Some(class) = class else { return };
    // A class may wait until a pod uses the claim.
    let used = view.of("pods").any(|pod| {
        let mut volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
        pod["spec"]["nodeName"].is_string()
            && volumes.any(|volume| volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"])
    });
    if class["volumeBindingMode"] == "WaitForFirstConsumer" && !used {
        return;
    }
    let volume = format!("pvc-{}", uid(claim));
    let driver = class["provisioner"].as_str().unwrap_or_default();
    plan.create(
        "persistentvolumes",
        json!({
            "metadata": {"name": volume, "annotations": {"pv.kubernetes.io/provisioned-by": driver}},
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "volumeMode": spec["volumeMode"],
                "persistentVolumeReclaimPolicy": class["reclaimPolicy"],
                "storageClassName": name(class),
                "csi": {"driver": driver, "volumeHandle": volume},
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": name(claim),
                             "namespace": view.namespace, "uid": uid(claim)},
            },
        }),
    );
    let mut next = claim.clone();
    next["spec"]["volumeName"] = json!(volume);
    next["spec"]["storageClassName"] = json!(name(class));
    for (key, value) in [
        ("pv.kubernetes.io/bind-completed", "yes"),
        ("pv.kubernetes.io/bound-by-controller", "yes"),
        ("volume.kubernetes.io/storage-provisioner", driver),
    ] {
        next["metadata"]["annotations"][key] = json!(value);
    }
    next["status"] = json!({
        "phase": "Bound", "accessModes": spec["accessModes"],
        "capacity": {"storage": spec["resources"]["requests"]["storage"]},
    });
    plan.replace("persistentvolumeclaims", claim, next);
    plan.say(claim, "ProvisioningSucceeded", format!("Successfully provisioned volume {volume}"));
}
