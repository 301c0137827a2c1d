import Ledger
import Primitives
import SimulatedDisk
import Storage
import Testing

/// Whatever call fails, and wherever the power goes: there are only whole snapshots, and what was
/// said to be written is there.
@Suite struct SnapshotCrashTests {
    @Test(arguments: DiskFailure.allCases)
    func everyCallFails(_ failure: DiskFailure) throws {
        var books = try SnapshotBooks(seed: 21, batches: 30)
        try books.take(10)
        try books.take(20)
        let before = books.disk.copy()
        var rounds = 0
        while true {
            rounds += 1
            let distance = rounds
            books.disk = before.copy()
            books.disk.fail(at: distance, failure)
            var written = false
            do throws(SnapshotError) {
                written = try books.take(30) != nil
            } catch .disk {
            } catch {
                Issue.record("call \(distance): \(error)")
            }
            let hasEnded = books.disk.cancelFailures() > 0
            for image in [books.disk.copy(), books.disk.afterTotalLoss()] {
                books.disk = image
                books.disk.crash()
                let (snapshot, notices) = try books.newest()
                let found = snapshot?.info.head.sequence
                #expect(notices.isEmpty, "call \(distance): \(notices)")
                #expect(found == 30 || found == 20 && !written, "call \(distance)")
                #expect(snapshot?.machine == (try books.replayed(Int(found ?? 0))))
                // And the next one succeeds.
                if found == 20 { #expect(try books.take(30)?.head == books.head(30)) }
                #expect(!books.disk.names.contains("snapshot.new") || found == 30)
            }
            if hasEnded { break }
        }
        #expect(rounds > 15)
    }
}
