import Foundation
import Primitives
import Storage
import Testing

@Suite struct EvidenceStoreTests {
    private func withStore(_ body: (EvidenceStore, String) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "evidence-\(UUID().uuidString).sqlite").path()
        defer {
            for end in ["", "-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: path + end)
            }
        }
        let store = try EvidenceStore(path: path)
        defer { store.close() }
        try await body(store, path)
    }

    private func digest(_ byte: UInt8) throws -> Digest {
        try #require(Digest([UInt8](repeating: byte, count: 32)))
    }

    @Test func whatIsKeptIsReadAndTheLastWins() async throws {
        try await withStore { store, _ in
            #expect(try await store.bundle(of: JobID(1)) == nil)
            try await store.keep([1, 2], job: JobID(1), digest: digest(1), receipts: [9])
            try await store.keep([3], job: JobID(1), digest: digest(2), receipts: [8])
            #expect(try await store.bundle(of: JobID(1)) == [3])
            #expect(try await store.digest(of: JobID(1)) == digest(2))
            #expect(try await store.receipts(of: JobID(1)) == [8])
            #expect(try await store.bundle(of: JobID(.max)) == nil)
        }
    }

    /// Many jobs end at once: each is there when its own `keep` returns, also for another opener.
    @Test func jobsThatEndTogetherAreAllKept() async throws {
        try await withStore { store, path in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for job in UInt64(1)...300 {
                    group.addTask {
                        let bundle = [UInt8](repeating: UInt8(job % 251), count: 1_000)
                        try await store.keep(
                            bundle, job: JobID(job), digest: .zero, receipts: [])
                        #expect(try await store.bundle(of: JobID(job)) == bundle)
                    }
                }
                try await group.waitForAll()
            }
            let other = try EvidenceStore(path: path)
            defer { other.close() }
            for job in UInt64(1)...300 {
                let bundle = try await other.bundle(of: JobID(job))
                #expect(bundle?.first == UInt8(job % 251))
            }
        }
    }

    @Test func oldEvidenceOfEarlierJobsIsForgotten() async throws {
        try await withStore { store, _ in
            for job in UInt64(1)...5 {
                try await store.keep([1], job: JobID(job), digest: .zero, receipts: [])
            }
            #expect(try await store.forget(olderThan: 3_600, before: JobID(9)) == 0)
            #expect(try await store.forget(olderThan: -60, before: JobID(4)) == 3)
            #expect(try await store.bundle(of: JobID(3)) == nil)
            #expect(try await store.bundle(of: JobID(4)) == [1])
        }
    }

    /// A store that cannot write says so to everyone who waits.
    @Test func aClosedStoreKeepsNothing() async throws {
        try await withStore { store, _ in
            store.close()
            await #expect(throws: JournalError.self) {
                try await store.keep([1], job: JobID(1), digest: .zero, receipts: [])
            }
        }
    }
}
