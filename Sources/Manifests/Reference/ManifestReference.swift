package import FleetModel

/// What the field tables say, for people and editors.
package enum ManifestReference {
    /// The JSON Schema (2020-12) of a kind; nil: of a document of any kind. Ends with a newline.
    package static func schema(_ kind: Kind?) -> String { "{}\n" }

    /// The documentation page of a kind, Markdown.
    package static func page(_ kind: Kind) -> String { "" }
}
