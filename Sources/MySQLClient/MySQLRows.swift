/// What a statement answered. Every value is text; nil is NULL.
package struct MySQLRows: Sendable, Hashable {
    package var columns: [String]
    package var rows: [[String?]]
    /// Rows that a statement without a result changed.
    package var affected: UInt64

    package init(columns: [String] = [], rows: [[String?]] = [], affected: UInt64 = 0) {
        self.columns = columns
        self.rows = rows
        self.affected = affected
    }

    /// The first column of the first row; nil where there is none, or NULL.
    package var first: String? { rows.first?.first ?? nil }

    /// The rows as dictionaries by column name, without NULLs.
    package var records: [[String: String]] {
        rows.map { row in
            Dictionary(zip(columns, row).compactMap { name, value in value.map { (name, $0) } }, uniquingKeysWith: { first, _ in first })
        }
    }
}
