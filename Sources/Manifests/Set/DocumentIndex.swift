import FleetModel

/// Where a document stands.
struct Site: Sendable, Hashable {
    var file: String
    /// Its number within the file's documents.
    var document: Int
}

/// Which documents declare a unit, and which units a change of another can affect.
struct DocumentIndex: Sendable {
    private var first: [UnitID: Site] = [:]
    /// Further documents of the same kind and name: an error, so mostly there is none.
    private var others: [UnitID: Set<Site>] = [:]

    private(set) var zonesByRegion: [String: Set<String>] = [:]
    private(set) var hostsByZone: [String: Set<String>] = [:]
    private(set) var hostsByAddress: [String: Set<String>] = [:]
    private(set) var regions: Set<String> = []

    var isEmpty: Bool { first.isEmpty }

    /// Where a unit is declared, and whether nowhere else; nil: nowhere.
    func site(_ unit: UnitID) -> (first: Site, isOnly: Bool)? {
        guard let site = first[unit] else { return nil }
        return (site, others.isEmpty || others[unit] == nil)
    }

    /// Every document that declares the unit, in no order.
    func sites(_ unit: UnitID) -> [Site] {
        guard let site = first[unit] else { return [] }
        return [site] + (others[unit] ?? [])
    }

    func isDeclared(_ unit: UnitID) -> Bool { first[unit] != nil }

    mutating func add(_ unit: UnitID, _ site: Site) {
        guard let known = first.updateValue(site, forKey: unit) else { return }
        first[unit] = known
        others[unit, default: []].insert(site)
    }

    /// Costs the same however many documents declare the unit.
    mutating func remove(_ unit: UnitID, _ site: Site) {
        if first[unit] == site {
            first[unit] = others[unit]?.popFirst()
        } else {
            others[unit]?.remove(site)
        }
        if others[unit]?.isEmpty == true { others[unit] = nil }
    }

    /// The first document of all, for what belongs to none.
    func firstPosition(in set: ManifestSet) -> SourcePosition {
        let site = first.values.min { ($0.file, $0.document) < ($1.file, $1.document) }
        let line = site.flatMap { set.document(at: $0)?.line } ?? 1
        return SourcePosition(file: site?.file ?? ".", line: line, column: 1)
    }
}

// MARK: Relations

extension DocumentIndex {
    /// Notes what a document refers to, but for clusters: which zones they name is looked up in them when a zone or its
    /// hosts change, since they are by far the most. Units that compete with it for something go into `touched`.
    mutating func relate(_ declared: AnyDeclared, _ name: String, _ touched: inout UnitNames) {
        switch declared {
        case .region:
            regions.insert(name)
            touchRegions(&touched)
        case .availabilityZone(let zone):
            zonesByRegion[zone.value.region, default: []].insert(name)
        case .host(let host):
            hostsByZone[host.value.zone, default: []].insert(name)
            hostsByAddress[host.value.address, default: []].insert(name)
            touchHosts(host.value.address, &touched)
        case .cluster, .alertChannel:
            break
        }
    }

    mutating func unrelate(_ declared: AnyDeclared, _ name: String, _ touched: inout UnitNames) {
        switch declared {
        case .region:
            regions.remove(name)
            touchRegions(&touched)
        case .availabilityZone(let zone):
            zonesByRegion.remove(name, at: zone.value.region)
        case .host(let host):
            hostsByZone.remove(name, at: host.value.zone)
            hostsByAddress.remove(name, at: host.value.address)
            touchHosts(host.value.address, &touched)
        case .cluster, .alertChannel:
            break
        }
    }

    private func touchRegions(_ touched: inout UnitNames) {
        for region in regions { touched.insert(UnitID(.region, region)) }
    }

    private func touchHosts(_ address: String, _ touched: inout UnitNames) {
        guard let hosts = hostsByAddress[address] else { return }
        for host in hosts { touched.insert(UnitID(.host, host)) }
    }
}

extension Dictionary where Value == Set<String> {
    fileprivate mutating func remove(_ name: String, at key: Key) {
        self[key]?.remove(name)
        if self[key]?.isEmpty == true { self[key] = nil }
    }
}
