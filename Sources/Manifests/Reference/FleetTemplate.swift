/// The fleet repository that `evenkeel init` writes: the example `single-host`, with a README of its own.
package enum FleetTemplate {
    /// Path and text of each file, sorted by path. The manifests among them validate without a diagnostic.
    package static var files: [(path: String, text: String)] {
        [
            (
                "README.md",
                """
                # Fleet

                The databases of this fleet, as Evenkeel keeps them. Change a file, look at `evenkeel plan --path .`, commit: what runs follows.

                | file | what it declares |
                | --- | --- |
                | `region.yaml` | regions and availability zones |
                | `hosts/*.yaml` | hosts that run an agent |
                | `clusters/*.yaml` | database clusters, with their databases and accounts |

                Files and folders can be named and cut as you like; a file may hold many documents. `evenkeel validate .` tells every error with its file, line and column. `evenkeel schema` prints a JSON Schema for editors.

                The password of the account in `clusters/first.yaml` is the text of the file `first-app` below the secrets root of the server's configuration.

                """
            ),
            (
                "clusters/first.yaml",
                """
                # One database server with one database and one account.
                apiVersion: evenkeel.dev/v1
                kind: Cluster
                metadata:
                  name: first
                spec:
                  engine: {type: mariadb, version: "10.11"}
                  # A single instance. With `primaryReplica` and more instances in `placement`, replicas copy it.
                  topology: single
                  placement:
                    - {zone: local-a, replicas: 1}
                  resources: {memory: 256Mi, storage: 1Gi}
                  parameters:
                    max_connections: 200
                  databases:
                    - name: app
                  accounts:
                    - name: app
                      host: "127.%"
                      # The text of a file below the secrets root of the server's configuration: manifests hold no secrets.
                      passwordFrom: {file: first-app}
                      grants:
                        - {on: "app.*", privileges: [SELECT, INSERT, UPDATE, DELETE]}

                """
            ),
            (
                "hosts/host-1.yaml",
                """
                # One host. Its agent runs with `evenkeel agent --host host-1 …`.
                apiVersion: evenkeel.dev/v1
                kind: Host
                metadata:
                  name: host-1
                spec:
                  zone: local-a
                  # What its databases listen on and clients connect to: the host's own address in real life.
                  address: 127.0.1.1
                  capacity: {memory: 2Gi, storage: 20Gi}

                """
            ),
            (
                "region.yaml",
                """
                # Where databases can live: one region with one availability zone.
                apiVersion: evenkeel.dev/v1
                kind: Region
                metadata:
                  name: local
                spec:
                  # 0 to 127, unique in the fleet. It must never change once the region has clusters.
                  locationCode: 1
                  default: true
                ---
                apiVersion: evenkeel.dev/v1
                kind: AvailabilityZone
                metadata:
                  name: local-a
                spec:
                  region: local
                  rooms: [room-1]

                """
            ),
        ]
    }
}
