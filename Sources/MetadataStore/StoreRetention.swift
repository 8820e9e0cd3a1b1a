/// How much history a store keeps: the newest so many of each, older ones are dropped as new ones come. What is open or
/// in force is never dropped.
package struct StoreRetention: Sendable, Hashable {
    package var eventsMax = 50_000
    /// Attempts that have ended.
    package var attemptsMax = 20_000
    package var plansMax = 5_000
    /// Revisions, of all sources; the last accepted one of each source stays.
    package var revisionsMax = 2_000

    package init() {}
}
