import Testing

@testable import MySQLClient

private func text(_ statement: SQL) -> String {
    statement.rendered { value in value.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "\\'") }
}

@Test func `values, names and numbers are quoted each in its way`() {
    let name = "o'neil"
    let nothing: String? = nil
    #expect(text("SELECT \(name), \(nothing), \(42)") == "SELECT 'o\\'neil', NULL, 42")
    #expect(text("DROP DATABASE \(identifier: "a`b")") == "DROP DATABASE `a``b`")
    #expect(text(SQL.joined(["\("a")", "\("b")"], separator: ", ")) == "'a', 'b'")
    #expect(text("GRANT \("x" as SQL) TO " + "\(secret: "s")") == "GRANT x TO 's'")
}

@Test func `a secret is taken out of what a server says`() {
    let statement: SQL = "CHANGE MASTER TO MASTER_PASSWORD = \(secret: "hunter2")"
    #expect(statement.redacted("syntax error near 'hunter2'") == "syntax error near '***'")
}
