import Foundation
import Primitives
import Storage

/// Takes a journal in PostgreSQL over and appends to it until it is killed, fenced or fails:
/// `journalwriter CONNINFO SCHEMA HOLDER`.
///
/// Prints `term TERM` once it leads, `+ SEQUENCE HASH` for each acknowledged batch and, at the
/// end, `fenced TERM` or `failed WORDS`.
@main struct JournalWriter {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 4 else {
            return say("usage: journalwriter CONNINFO SCHEMA HOLDER")
        }
        var options = PostgresJournal.Options()
        options.takeOver = true
        options.holder = arguments[3]
        do throws(JournalError) {
            let journal = try PostgresJournal(
                conninfo: arguments[1], schema: arguments[2], options: options)
            say("term \(journal.term)")
            _ = try journal.verify()
            while true {
                let head = journal.head
                let entry = JournalEntry(
                    time: head.time + .init(nanoseconds: 1), command: Array(arguments[3].utf8))
                try journal.append(
                    JournalBatch(following: head, term: journal.term, entries: [entry]))
                say("+ \(journal.head.sequence) \(journal.head.hash.hex)")
            }
        } catch .fenced(let term) {
            say("fenced \(term)")
        } catch {
            say("failed \(error)")
        }
    }

    /// One write for one line: what the parent reads whole was said.
    static func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = unsafe write(1, bytes, bytes.count)
    }
}
