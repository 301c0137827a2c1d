import Dispatch
import Foundation
import PostgresHarness
import Primitives
import Storage
import Synchronization
import Testing

/// A call on a thread of its own, for what may block for long.
final class OnThread<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let done = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () throws -> Value) {
        Thread { [self] in
            let outcome = Result { try body() }
            result.withLock { $0 = outcome }
            done.signal()
        }.start()
    }

    /// Waits for the end of the call.
    func value() throws -> Value {
        done.wait()
        return try #require(result.withLock { $0 }).get()
    }
}

/// Something that threads add to.
final class Record<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    var all: [Element] { elements.withLock { $0 } }

    func add(_ element: Element) { elements.withLock { $0.append(element) } }

    /// Until so many were added from now on, or half a minute is over.
    func waitForMore(_ count: Int) {
        let goal = all.count + count
        for _ in 0..<15_000 where all.count < goal { Thread.sleep(forTimeInterval: 0.002) }
    }
}

extension PostgresHome {
    /// The server's processes that work on this journal's statements now: all, or those that wait
    /// for a lock or for a standby.
    func backends(waiting: Bool = false) throws -> [Int32] {
        let rows = try watcher.run(
            """
            SELECT pid FROM pg_stat_activity WHERE query LIKE '%\(schema)%' \
            AND pid <> pg_backend_pid() AND application_name = 'exchequer' \
            \(waiting ? "AND wait_event_type IN ('Lock', 'IPC')" : "")
            """)
        return rows.compactMap { row in row[0].flatMap { Int32($0) } }
    }

    /// Returns once so many statements on this journal wait; throws if half a minute brings none.
    func waitUntilBlocked(_ count: Int = 1) throws {
        for _ in 0..<6_000 {
            if try backends(waiting: true).count >= count { return }
            Thread.sleep(forTimeInterval: 0.005)
        }
        throw JournalError.database(0, "nothing waits that should")
    }

    /// Returns once the leader has renewed its lease; throws if half a minute brings no renewal.
    func waitForRenewal() throws {
        let lease = try PostgresLease(conninfo: conninfo, schema: schema)
        var last = try lease.read().age
        for _ in 0..<1_500 {
            Thread.sleep(forTimeInterval: 0.02)
            let age = try lease.read().age
            // It falls only then.
            if age < last { return }
            last = age
        }
        throw JournalError.database(0, "the lease was not renewed")
    }

    /// What the journal's opening or use says, or `nil` if all is well.
    func error(_ body: () throws -> Void) -> JournalError? {
        do {
            try body()
            return nil
        } catch let error as JournalError {
            return error
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    /// Checks that the journal is one whole history and that everything acknowledged is in it, and
    /// gives the batches that are not acknowledged.
    func checkHistory(acknowledged: [ChainPoint]) throws -> [JournalBatch] {
        let journal = try #require(try openForReading())
        var batches: [JournalBatch] = []
        _ = try journal.recover { (batch, _) throws(JournalError) in batches.append(batch) }
        try journal.close()
        let known = Set(acknowledged)
        #expect(known.count == acknowledged.count, "a batch was acknowledged twice")
        #expect(known.isSubset(of: batches.map(\.head.point)), "an acknowledged batch is lost")
        return batches.filter { !known.contains($0.head.point) }
    }
}
