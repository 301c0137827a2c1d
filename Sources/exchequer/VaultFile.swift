import Chains
import Primitives
import Storage

/// How far `exchequer vault` has read an account's history: in a file, if it is given one.
struct VaultFile {
    /// What was read up to now.
    let history: VaultHistory
    private let log: RecordLog?

    /// Opens the file of an account, or makes it; throws `cannotOpen` if it is another account's or
    /// was read without or with another program, and `locked` while another process has it.
    init(
        _ path: String?, account: SolanaAddress, program: SolanaAddress?, startSlot: UInt64
    ) throws(JournalError) {
        guard let path else {
            log = nil
            history = VaultHistory(from: startSlot)
            return
        }
        let owner = "vault \(account)" + (program.map { " of \($0)" } ?? "")
        let log = try RecordLog(path: path, owner: owner, hasLock: true)
        self.log = log
        guard let bytes = try log.load().state else {
            history = VaultHistory(from: startSlot)
            return
        }
        do throws(CodecError) { history = try VaultHistory(canonicalBytes: bytes) } catch {
            throw .damagedFile("\(path) is not readable: \(error)")
        }
    }

    /// Writes down what was read; returns when it is durable.
    func write(_ history: VaultHistory) async throws(JournalError) {
        try await log?.replace(upTo: 0, with: history.canonicalBytes())
    }

    /// Lets go of the file.
    func close() { log?.close() }
}
