import Foundation
import Storage
import Testing

@Suite struct RecordLogTests {
    private func withPath(_ body: (String) async throws -> Void) async throws {
        let path = FileManager.default.temporaryDirectory
            .appending(path: "records-\(UUID().uuidString).sqlite").path()
        defer {
            for end in ["", "-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: path + end)
            }
        }
        try await body(path)
    }

    @Test func recordsAndStatesOutliveTheProcess() async throws {
        try await withPath { path in
            let first = try RecordLog(path: path, owner: "a")
            #expect(try first.load().state == nil && first.load().records == [])
            try await first.append([[1], [2, 2], []])
            try await first.append([[4]])
            #expect(first.lastNumber == 4)
            // Nothing was closed in order: what was appended is there all the same.
            let second = try RecordLog(path: path, owner: "a")
            #expect(try second.load().records == [[1], [2, 2], [], [4]])
            try await second.replace(upTo: 3, with: [7, 7])
            #expect(try second.load().state == [7, 7] && second.load().records == [[4]])
            try await second.replace(upTo: 4, with: [8])
            // The numbers go on, though there is no record left.
            let third = try RecordLog(path: path, owner: "a")
            #expect(third.lastNumber == 4)
            try await third.append([[5]])
            #expect(third.lastNumber == 5)
            #expect(try third.load().state == [8] && third.load().records == [[5]])
            for log in [first, second, third] { log.close() }
        }
    }

    /// Whoever writes may be gone before it is durable.
    @Test func whatIsBegunIsEndedThoughItsTaskIsCancelled() async throws {
        try await withPath { path in
            let log = try RecordLog(path: path, owner: "a")
            let task = Task {
                while !Task.isCancelled { await Task.yield() }
                try await log.append([[1], [2]])
                try await log.replace(upTo: 1, with: [9])
            }
            task.cancel()
            try await task.value
            #expect(try log.load().state == [9] && log.load().records == [[2]])
            #expect(log.lastNumber == 2)
            log.close()
        }
    }

    @Test func anothersRecordsAreNotTaken() async throws {
        try await withPath { path in
            let log = try RecordLog(path: path, owner: "eip155:1:0xaa")
            try await log.append([[1]])
            log.close()
            #expect(
                throws: JournalError.cannotOpen(
                    path, "it belongs to eip155:1:0xaa, not to eip155:1:0xbb")
            ) {
                _ = try RecordLog(path: path, owner: "eip155:1:0xbb")
            }
        }
    }

    @Test func whatCannotBeWrittenIsAnErrorAndLeavesNothing() async throws {
        try await withPath { path in
            let log = try RecordLog(path: path, owner: "a")
            let other = try RecordLog(path: path, owner: "a")
            try await log.append([[1]])
            // The other one's numbers are behind: a second writer is found out, not mixed in.
            await #expect(throws: JournalError.self) { try await other.append([[2], [3]]) }
            #expect(other.lastNumber == 0)
            #expect(try log.load().records == [[1]])
            log.close()
            other.close()
        }
    }
}
