import FleetModel
import JSONStream

/// The text of a journal file: a first line that names the format, then one line of JSON for each list of entries that
/// was appended at once.
///
/// `{"sum":"<8 hex digits>","entries":[…]}`: the sum is the beginning of the SHA-256 of the list's bytes. A list is one
/// line, so that a write that was torn loses all of it or nothing.
enum JournalLines {
    static let header = Array("{\"evenkeelJournal\":1}\n".utf8)

    private static let beginning = Array("{\"sum\":\"".utf8)
    private static let middle = Array("\",\"entries\":".utf8)
    private static let sumLength = 8

    static func line(_ entries: [JournalEntry]) -> [UInt8] {
        let list = entries.jsonBytes
        return beginning + sum(list[...]) + middle + list + Array("}\n".utf8)
    }

    /// What the text adds up to. A last line that is torn does not count; anything else that is not whole is an error
    /// that names file and line.
    static func read(_ text: [UInt8], file: String) throws(JournalError) -> JournalState {
        var state = JournalState()
        var lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // What follows the last line end: nothing, or the beginning of a line.
        lines.removeLast()
        guard let first = lines.first, first.elementsEqual(header.dropLast()) else {
            throw JournalError(
                "\(file):1: this is not a journal that this release of evenkeel reads. Start the release that wrote it, "
                    + mending)
        }
        for (index, line) in lines.enumerated().dropFirst() {
            switch entries(of: line) {
            case .success(let entries): entries.forEach { state.apply($0) }
            case .failure(let problem) where index == lines.count - 1 && problem == damaged: break
            case .failure(let problem):
                throw JournalError("\(file):\(index + 1): \(problem.description). Restore the file, " + mending)
            }
        }
        return state
    }

    private static let damaged = JournalError("this line of the agent's journal is damaged")

    private static let mending =
        "or move it away: the agent then begins as a new one, which knows no writer and opens nothing by itself, "
        + "and its server tells it what should run"

    private static func entries(of line: ArraySlice<UInt8>) -> Result<[JournalEntry], JournalError> {
        let prefix = beginning.count + sumLength + middle.count
        guard line.count > prefix, line.starts(with: beginning), line.last == UInt8(ascii: "}") else {
            return .failure(damaged)
        }
        let list = line.dropFirst(prefix).dropLast()
        guard line.dropFirst(beginning.count).starts(with: sum(list) + middle) else { return .failure(damaged) }
        do {
            return .success(try [JournalEntry](json: list))
        } catch {
            return .failure(JournalError("this line is of another release of evenkeel (\(error))"))
        }
    }

    private static func sum(_ list: ArraySlice<UInt8>) -> [UInt8] {
        Array(SHA256.hex(SHA256.hash(Array(list))).utf8.prefix(sumLength))
    }
}
