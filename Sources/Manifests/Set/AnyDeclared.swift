import FleetModel

/// A manifest of any kind.
enum AnyDeclared: Sendable, Hashable {
    case region(Declared<Region>)
    case availabilityZone(Declared<AvailabilityZone>)
    case host(Declared<Host>)
    case cluster(Declared<Cluster>)
    case alertChannel(Declared<AlertChannel>)

    var unit: UnitID {
        switch self {
        case .region(let declared): UnitID(.region, declared.value.metadata.name)
        case .availabilityZone(let declared): UnitID(.availabilityZone, declared.value.metadata.name)
        case .host(let declared): UnitID(.host, declared.value.metadata.name)
        case .cluster(let declared): UnitID(.cluster, declared.value.metadata.name)
        case .alertChannel(let declared): UnitID(.alertChannel, declared.value.metadata.name)
        }
    }

    /// Whether it declares the same, wherever it stands.
    func declaresSame(as other: AnyDeclared) -> Bool {
        switch (self, other) {
        case (.region(let left), .region(let right)): left.value == right.value
        case (.availabilityZone(let left), .availabilityZone(let right)): left.value == right.value
        case (.host(let left), .host(let right)): left.value == right.value
        case (.cluster(let left), .cluster(let right)): left.value == right.value
        case (.alertChannel(let left), .alertChannel(let right)): left.value == right.value
        default: false
        }
    }

    /// The same with the numbers of its field paths changed.
    func numbered(_ number: (UInt32) -> UInt32) -> AnyDeclared {
        switch self {
        case .region(let declared): .region(declared.numbered(number))
        case .availabilityZone(let declared): .availabilityZone(declared.numbered(number))
        case .host(let declared): .host(declared.numbered(number))
        case .cluster(let declared): .cluster(declared.numbered(number))
        case .alertChannel(let declared): .alertChannel(declared.numbered(number))
        }
    }

    /// Where a field stands, or the nearest enclosing one that has a place.
    func position(of field: String, _ paths: FieldPaths) -> SourcePosition {
        switch self {
        case .region(let declared): paths.position(of: field, in: declared)
        case .availabilityZone(let declared): paths.position(of: field, in: declared)
        case .host(let declared): paths.position(of: field, in: declared)
        case .cluster(let declared): paths.position(of: field, in: declared)
        case .alertChannel(let declared): paths.position(of: field, in: declared)
        }
    }
}

extension DesiredFleet {
    subscript(unit: UnitID) -> AnyDeclared? {
        get {
            switch unit.kind {
            case .region: regions[unit.name].map(AnyDeclared.region)
            case .availabilityZone: zones[unit.name].map(AnyDeclared.availabilityZone)
            case .host: hosts[unit.name].map(AnyDeclared.host)
            case .cluster: clusters[unit.name].map(AnyDeclared.cluster)
            case .alertChannel: channels[unit.name].map(AnyDeclared.alertChannel)
            case .source: nil
            }
        }
        set {
            guard let newValue else { return remove(unit) }
            switch newValue {
            case .region(let declared): regions[unit.name] = declared
            case .availabilityZone(let declared): zones[unit.name] = declared
            case .host(let declared): hosts[unit.name] = declared
            case .cluster(let declared): clusters[unit.name] = declared
            case .alertChannel(let declared): channels[unit.name] = declared
            }
        }
    }

    private mutating func remove(_ unit: UnitID) {
        switch unit.kind {
        case .region: regions[unit.name] = nil
        case .availabilityZone: zones[unit.name] = nil
        case .host: hosts[unit.name] = nil
        case .cluster: clusters[unit.name] = nil
        case .alertChannel: channels[unit.name] = nil
        case .source: break
        }
    }
}
