/// The fleet repository that `evenkeel init` writes.
package enum FleetTemplate {
    /// Path and text of each file, sorted by path. The manifests among them validate without a diagnostic.
    package static var files: [(path: String, text: String)] { [] }
}
