import Logging
import Storage

extension RecordLog {
    /// Puts the state of a manager that has ended in order in the place of its records, so that the
    /// next one, maybe of another version, goes through nothing again under rules of its own. If it
    /// has none, or it cannot be written, that is said, and the records are read as after a crash.
    func rest(
        after first: Int64, in state: (bytes: [UInt8], records: Int)?, _ log: Logger
    ) async {
        func warn(_ why: String) {
            log.warning(
                "a manager's records stay: before an upgrade start this version once more",
                metadata: ["why": "\(why)"])
        }
        guard let state else { return warn("it did not end in order") }
        do throws(JournalError) {
            try await replace(upTo: first + Int64(state.records), with: state.bytes)
        } catch {
            warn("\(error)")
        }
    }
}
