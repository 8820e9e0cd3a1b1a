/// Finds threads that send the binary log to a replica, were told to end, and hang in a write to it.
///
/// While the network between them is cut what is sent fills the connection, and the thread waits in the operating system. When
/// the replica is back and calls again, the server tells the former thread of its number to end, but does not wake it as `KILL`
/// does, and lets the replica go on only once it is gone: not before TCP tries again, which it does ever more seldom (20 s
/// after a cut of 30), at the latest after `net_write_timeout`. Seen on 10.11.19.
enum HungSender {
    /// The number of a thread of `SHOW PROCESSLIST`; nil where it is none.
    static func number(of thread: [String: String]) -> Int64? {
        guard thread["Command"] == "Killed", thread["State"] == "Writing to net", ReplicationAccount.instance(thread["User"] ?? "") != nil
        else { return nil }
        return thread["Id"].flatMap { Int64($0) }
    }
}
