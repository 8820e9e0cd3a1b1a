/// A bug that is planted into the model's part of the system: the checks have to find each of them, or they are worth
/// nothing, and by what it breaks, or one that falls by something else passes for found. Named after what goes wrong.
package enum PlantedBug: String, Sendable, CaseIterable {
    /// A replica that is pointed elsewhere drops what it has received and not applied.
    case undrained
    /// Relay logs do not survive the end of a process.
    case relayPurge
    /// A revocation answers without having stopped anything.
    case unrevoked
    /// A refused replica is let in as before.
    case weakRefusal
    /// A promotion waits for nothing.
    case earlyPromotion
    /// A writer is opened without semi-sync.
    case semiSyncOff
    /// A replica acknowledges what it has not got.
    case earlyAcknowledgement
    /// A member comes back to another writer without its history being compared.
    case uncheckedRejoin
    /// A member that comes back does not fetch what it wrote itself and its writer has.
    case ownRows
    /// What an agent has promised is not on its disk.
    case forgetfulAgent
    /// What a killed agent's driver was doing goes on without it.
    case survivingWork
    /// A replica acknowledges before it is told to.
    case eagerAcknowledgement
    /// A lost host's binary log lacks what was answered last.
    case unsyncedBinlog
    /// The store takes what a server sends that is no leader any more.
    case lenientStore
    /// A server goes by the time of the wall.
    case wallClock
    /// What is set is reported as it was ordered, whatever it is.
    case rosyReport
    /// A replica that is let in again stays locked out.
    case lastingLock
    /// What is dropped takes what others made with it.
    case greedyDrop
    /// An instance counts as restarted before it is up.
    case hastyRestart
    /// A task's cause names no file.
    case causeless
    /// An agent that has lost its server stops its databases.
    case dependentAgent
    /// An agent brings back no replica by itself.
    case idleAgent
    /// An instance is not closed when it starts.
    case openStart
    /// A removed instance's directory goes at once.
    case eagerPurge
    /// A demotion is over after a while, whoever leads by then.
    case briefDemotion
    /// A demoted writer that is started again takes writes again.
    case openRestart

    /// Galera: of a lost component not the furthest is started.
    case recoverSecond
    /// Galera: what a member had when it was started is taken for what it has.
    case recoverUnread
    /// Galera: an agent starts a member without telling it its position.
    case plainStart
    /// Galera: that a member was voted out is not kept.
    case forgetsInconsistent
    /// Galera: whoever is dead is no more among those who may have been in the component.
    case componentTooSmall
    /// Galera: a copy's binary log counts from nothing.
    case cloneUnseeded
    /// Galera: those of a view that others had left before are a component again by themselves.
    case smallView

    /// Found in a galera cluster.
    package var isOfGalera: Bool {
        switch self {
        case .recoverSecond, .recoverUnread, .plainStart, .forgetsInconsistent, .componentTooSmall, .cloneUnseeded, .smallView: true
        default: false
        }
    }

    /// Found where the lead moves between clusters.
    package var isOfLeading: Bool { self == .briefDemotion || self == .openRestart }
}
