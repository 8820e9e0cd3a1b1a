import FleetModel

// Where databases can live: Region, AvailabilityZone, Host.

extension KindTable where Value == Region {
    static let region = KindTable(
        .region, \.metadata,
        spec: Table([
            .optional(
                "displayName", \.displayName, .line(lengthMax: 128), default: "the name",
                isDefault: { $0 == $1.metadata.name }, "What people see."),
            .required(
                "locationCode", \.locationCode, .integer(0...127),
                "The region's number, unique in the fleet: the top bits of GTID domains and server ids. It must never change once the region has clusters."
            ),
            .optional(
                "default", \.isDefault, .boolean, default: false, "false",
                "Whether it is the fleet's default region. Exactly one region is."),
        ]),
        blank: {
            Region(metadata: Metadata(name: ""), displayName: "", locationCode: -1, isDefault: false)
        },
        finish: { region, _ in
            if region.displayName.isEmpty { region.displayName = region.metadata.name }
        },
        page: KindPage(
            about: "A region: a place far enough from the others to fail alone, with one or more availability zones.",
            example: """
                apiVersion: evenkeel.dev/v1
                kind: Region
                metadata:
                  name: cn-hangzhou
                spec:
                  displayName: Hangzhou
                  locationCode: 1
                  default: true

                """,
            checks: [
                "`locationCode` is used by one region only.",
                "Exactly one region of a fleet has `default: true`; a revision with none or two is held as a whole.",
            ]))
}

extension KindTable where Value == AvailabilityZone {
    static let availabilityZone = KindTable(
        .availabilityZone, \.metadata,
        spec: Table([
            .required("region", \.region, .name("a region's name"), "The region it is in."),
            .required(
                "rooms", \.rooms, .list(of: .name("a room's name"), countMin: 1),
                "Its physical rooms. A host without a `room` is in the first; a cluster's instances are spread over rooms where there are several."
            ),
            .optional(
                "schedulable", \.schedulable, .boolean, default: true, "true",
                "`false` places nothing new in the zone; what is there stays."),
            .optional(
                "drain", \.drain, .boolean, default: false, "false",
                "`true` places nothing new in the zone, and primaries leave it by planned switchovers, whatever `primary.preferredZones` says, until it is taken back. Replicas stay, and go on acknowledging, because `placement` puts them there: `DrainHeld` names them. To empty the zone, commit their place in another zone: the new instance serves before the old one is stopped. An automatic failover still chooses one here where nobody else holds every acknowledged write."),
            .maintenance(\.maintenance, "As `maintenance` of each of its hosts; of the two the later end counts."),
        ]),
        blank: { AvailabilityZone(metadata: Metadata(name: ""), region: "", rooms: []) },
        finish: { zone, decoder in
            for (index, room) in zone.rooms.enumerated() where zone.rooms[..<index].contains(room) {
                decoder.error(field: "spec.rooms[\(index)]", "`spec.rooms` has `\(room)` twice", help: "remove one of the two")
            }
        },
        page: KindPage(
            about:
                "An availability zone: a part of a region with its own power and network, so that one zone can fail without the others.",
            example: """
                apiVersion: evenkeel.dev/v1
                kind: AvailabilityZone
                metadata:
                  name: cn-hangzhou-a
                spec:
                  region: cn-hangzhou
                  rooms: [a1, a2]

                """,
            checks: ["`region` is declared."]))
}

extension KindTable where Value == Host {
    static let host = KindTable(
        .host, \.metadata,
        spec: Table([
            .required("zone", \.zone, .name("a zone's name"), "The availability zone it is in."),
            .optional(
                "room", \.room, .name("a room's name"), default: "the first of its zone",
                isDefault: { room, _ in room.isEmpty }, "The room it is in, one of its zone's."),
            .required(
                "address", \.address, .address,
                "What its instances listen on and clients connect to: an IP address or a host name, unique in the fleet."),
            .optional("capacity", \.capacity, .capacity, default: HostCapacity(), "no limits", "What it offers to instances."),
            .optional(
                "schedulable", \.schedulable, .boolean, default: true, "true",
                "`false` places nothing new here; what is here stays. So does `schedulable: false` of the zone."),
            .optional(
                "drain", \.drain, .boolean, default: false, "false",
                "`true` places nothing new here, and moves what is here to other hosts of the zone, one after the other: the new instance serves before the old one is stopped and its directory kept for `retainFor`. The primary moves by a planned switchover. Where there is no room elsewhere the instances stay, and their clusters say so; the primary moves to another zone all the same."),
            .maintenance(
                \.maintenance,
                "While it is in force the host may be down or silent: primaries on it move away by a planned switchover as soon as a replica elsewhere can take over; what is here is not started, healed or changed, nor moved to other hosts, and of its alerts only `Maintenance` goes out. A primary that could not move is not failed over, and `MaintenanceHoldsFailover` says so."),
        ]),
        blank: { Host(metadata: Metadata(name: ""), zone: "", room: "", address: "") },
        page: KindPage(
            about:
                "A Linux host that runs an agent. The agent is started with `--host` and this name. Set `drain: true` and take the manifest away when no instance is left on the host.",
            example: """
                apiVersion: evenkeel.dev/v1
                kind: Host
                metadata:
                  name: hz-a-1
                spec:
                  zone: cn-hangzhou-a
                  room: a1
                  address: 10.1.0.11
                  capacity: {memory: 64Gi, storage: 2Ti, instances: 8}

                """,
            checks: [
                "`zone` is declared, and `room` is one of its rooms.", "`address` is used by one host only.",
            ]))
}

extension Shape where Value == HostCapacity {
    static var capacity: Shape {
        .object(
            Table([
                .optional("memory", \.memoryBytes, .quantity(min: 1 << 20), absent: "no limit", "Memory for all its instances."),
                .optional(
                    "storage", \.storageBytes, .quantity(min: 1 << 20), absent: "no limit", "Storage for all its instances."),
                .optional("instances", \.instances, .integer(0...10_000), absent: "no limit", "How many instances it may have."),
            ]),
            blank: { HostCapacity() })
    }
}

extension Shape where Value == String {
    /// An IPv4 or IPv6 address or a host name.
    static var address: Shape {
        text(pattern: "^[A-Za-z0-9:]([A-Za-z0-9.:-]*[A-Za-z0-9:])?$", lengthMax: 253, expected: "an address") {
            text throws(ScalarProblem) in
            guard Address.isValid(text) else {
                throw ScalarProblem(
                    "must be an IP address or a host name, not \"\(Decoder.shortened(text))\"",
                    help: "for example `10.1.0.11`; the port belongs to the cluster")
            }
            guard !Address.isUnspecified(text) else {
                throw ScalarProblem("is \(text), which is no address that a client can connect to")
            }
            return text.lowercased()
        }
    }
}

enum Address {
    static func isValid(_ text: String) -> Bool {
        if text.contains(":") { return isIPv6(text) }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let isNumeric = parts.last.map { !$0.isEmpty && $0.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } } ?? false
        if isNumeric { return parts.count == 4 && parts.allSatisfy(isOctet) }
        return text.utf8.count <= 253 && parts.allSatisfy { Letters.isLabel($0.lowercased()) }
    }

    static func isUnspecified(_ text: String) -> Bool { text == "0.0.0.0" || text == "::" || text == "255.255.255.255" }

    private static func isOctet(_ text: Substring) -> Bool {
        guard let number = UInt8(text) else { return false }
        return String(number) == text
    }

    private static func isIPv6(_ text: String) -> Bool {
        guard text.utf8.allSatisfy({ $0 == UInt8(ascii: ":") || Character(UnicodeScalar($0)).isHexDigit }) else { return false }
        let halves = halves(text)
        guard halves.count <= 2 else { return false }
        var groups = 0
        for half in halves where !half.isEmpty {
            let parts = half.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 4 }) else { return false }
            groups += parts.count
        }
        return halves.count == 2 ? groups <= 7 : groups == 8
    }

    /// The parts beside each `::`.
    private static func halves(_ text: String) -> [Substring] {
        var halves: [Substring] = []
        var rest = Substring(text)
        while let colon = rest.indices.first(where: { rest[$0...].hasPrefix("::") }) {
            halves.append(rest[..<colon])
            rest = rest[rest.index(colon, offsetBy: 2)...]
        }
        return halves + [rest]
    }
}
