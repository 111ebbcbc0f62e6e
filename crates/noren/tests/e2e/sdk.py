"""What a platform team's Python does, with the variables of `noren env` and nothing else."""

import os

from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.mgmt.containerservice import ContainerServiceClient, models as aks
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.privatedns import PrivateDnsManagementClient

arm, subscription = os.environ["NOREN_ARM"], os.environ["AZURE_SUBSCRIPTION_ID"]
scopes = [f"{arm}//.default"]
credential = DefaultAzureCredential(disable_instance_discovery=True)


def client(kind):
    return kind(credential, subscription, base_url=arm, credential_scopes=scopes)


print("identity", len(ManagedIdentityCredential().get_token(*scopes).token) > 100)

network = client(NetworkManagementClient)
space = {"addressSpace": {"addressPrefixes": ["10.50.0.0/16"]}}
subnet = {"name": "s", "properties": {"addressPrefix": "10.50.0.0/24"}}
body = {"location": "japaneast", "properties": {**space, "subnets": [subnet]}}
made = network.virtual_networks.begin_create_or_update("rg", "v", body).result()
print("network", made.name, [one.name for one in network.subnets.list("rg", "v")])

zones = client(PrivateDnsManagementClient)
zone = zones.private_zones.begin_create_or_update("rg", "corp.example", {"location": "global"}).result()
print("zone", zone.name, zone.number_of_record_sets)

clusters = client(ContainerServiceClient).managed_clusters
cluster = clusters.begin_create_or_update("rg", "a", aks.ManagedCluster(
    location="japaneast",
    dns_prefix="a",
    identity=aks.ManagedClusterIdentity(type="SystemAssigned"),
    agent_pool_profiles=[
        aks.ManagedClusterAgentPoolProfile(name="np", count=1, vm_size="Standard_D2s_v5", mode="System"),
    ],
    api_server_access_profile=aks.ManagedClusterAPIServerAccessProfile(
        enable_private_cluster=True, enable_private_cluster_public_fqdn=False,
    ),
)).result()
print("cluster", cluster.fqdn, cluster.private_fqdn.endswith(".privatelink.japaneast.azmk8s.io"))
print("kubeconfig", clusters.list_cluster_user_credentials("rg", "a").kubeconfigs[0].name)
clusters.begin_delete("rg", "a").result()
try:
    clusters.get("rg", "a")
except ResourceNotFoundError as error:
    print("deleted", error.error.code)
