#!/usr/bin/env python3
"""How long a lab takes to start, how long a private cluster takes, how much memory a thousand need.

    bench/lab/lab.py [PATH OF noren] [--clusters N]

Needs Python alone. Everything happens on loopback, in a directory of its own; at most N clusters (1000) are
made, one after the other, over one connection.
"""

import argparse
import http.client
import json
import os
import pathlib
import signal
import ssl
import statistics
import subprocess
import tempfile
import time
import urllib.parse


class Lab:
    """A running `noren up`, and the time it took until it said that it was ready."""

    def __init__(self, noren, data, plane="proxy"):
        begun = time.perf_counter()
        command = [noren, "up", "--data", data, "--output", "json", "--plane", plane]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.ready_ms = (time.perf_counter() - begun) * 1000
        self.status = json.loads(line)
        self.data = pathlib.Path(data)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)

    def memory_mb(self):
        """Resident memory now: VmRSS in kB."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024


class Arm:
    """One connection to ARM, signed in as the lab's service principal."""

    def __init__(self, lab):
        running = json.loads((lab.data / "running.json").read_text())
        self.url = urllib.parse.urlsplit(running["url"])
        trust = ssl.create_default_context(cafile=lab.data / "ca.pem")
        self.connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=trust)
        sign_in = running["signIn"]
        self.subscription = sign_in["subscription"]
        form = urllib.parse.urlencode({
            "grant_type": "client_credentials", "client_id": sign_in["clientId"],
            "client_secret": sign_in["clientSecret"], "scope": running["url"] + "//.default",
        })
        headers = {"content-type": "application/x-www-form-urlencoded"}
        reply = self.send("POST", f"/{sign_in['tenant']}/oauth2/v2.0/token", form, headers)
        self.headers = {"authorization": f"Bearer {reply['access_token']}", "content-type": "application/json"}

    def send(self, method, path, body, headers):
        self.connection.request(method, path, body, headers)
        reply = self.connection.getresponse()
        text = reply.read()
        assert reply.status < 300, (path, reply.status, text)
        return json.loads(text) if text else None

    def put(self, path, body):
        path = f"/subscriptions/{self.subscription}{path}?api-version=2026-06-01"
        return self.send("PUT", path, json.dumps(body), self.headers)


def cluster(arm, number):
    """Makes a private cluster and gives the milliseconds until its PUT has answered Succeeded."""
    body = {
        "location": "japaneast", "identity": {"type": "SystemAssigned"}, "properties": {
            "dnsPrefix": f"c{number}", "apiServerAccessProfile": {"enablePrivateCluster": True},
            "agentPoolProfiles": [{"name": "np", "mode": "System", "count": 3, "vmSize": "Standard_D2s_v5"}],
        },
    }
    begun = time.perf_counter()
    path = f"/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c{number}"
    made = arm.put(path, body)
    elapsed = (time.perf_counter() - begun) * 1000
    assert made["properties"]["provisioningState"] == "Succeeded", made
    return elapsed


def exec_over_true(noren, data):
    """What `noren exec` adds to a program on the kernel plane, in milliseconds: medians of runs that take turns."""
    lab = Lab(noren, data, "auto")
    inside, outside = [noren, "exec", "--data", data, "--from", "internet", "--", "true"], ["true"]
    taken = {True: [], False: []}
    for _ in range(101):
        for there, command in ((True, inside), (False, outside)):
            begun = time.perf_counter()
            subprocess.run(command, check=True)
            taken[there].append((time.perf_counter() - begun) * 1000)
    lab.stop()
    return statistics.median(taken[True]) - statistics.median(taken[False])


def median_start(noren, places, plane="proxy"):
    """The median of a start on each of these directories, one after the other, in milliseconds."""
    taken = []
    for data in places:
        lab = Lab(noren, data, plane)
        taken.append(lab.ready_ms)
        lab.stop()
    return statistics.median(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("noren", nargs="?", default="target/release/noren")
    parser.add_argument("--clusters", type=int, default=1000)
    options = parser.parse_args()
    count = min(options.clusters, 1000)
    noren = os.path.abspath(options.noren)

    with tempfile.TemporaryDirectory() as folder:
        places = [f"{folder}/new-{number}" for number in range(7)]
        print(f"up, new lab              {median_start(noren, places):8.0f} ms (median of 7)")
        data = places[0]
        print(f"up, existing, empty      {median_start(noren, [data] * 7):8.0f} ms (median of 7)")

        print(f"  kernel plane           {median_start(noren, [data] * 7, 'auto'):8.0f} ms (median of 7)")
        print(f"exec, over the program   {exec_over_true(noren, data):8.1f} ms (median of 101)")

        lab = Lab(noren, data)
        arm = Arm(lab)
        arm.put("/resourcegroups/rg", {"location": "japaneast"})
        taken = [cluster(arm, number) for number in range(min(10, count))]
        lab.stop()
        print(f"up, existing, 10         {median_start(noren, [data] * 7):8.0f} ms (median of 7)")
        print(f"  kernel plane           {median_start(noren, [data] * 7, 'auto'):8.0f} ms (median of 7)")

        lab = Lab(noren, data)
        arm = Arm(lab)
        taken += [cluster(arm, number) for number in range(len(taken), count)]
        # Reported before the lab is stopped: what serving that many takes, listeners included.
        memory = lab.memory_mb()
        lab.stop()
        print(f"up, existing, {count:<10} {median_start(noren, [data] * 3):8.0f} ms (median of 3)")
        print(f"  kernel plane           {median_start(noren, [data] * 3, 'auto'):8.0f} ms (median of 3)")
        first, last = statistics.median(taken[:50]), statistics.median(taken[-50:])
        print(f"PUT private cluster, p50 {statistics.median(taken):8.1f} ms ({count} PUTs)")
        print(f"  first 50, last 50      {first:8.1f} ms, {last:.1f} ms ({last / first:.2f}x)")
        print(f"RSS with {count:<15} {memory:8.0f} MB")


if __name__ == "__main__":
    main()
