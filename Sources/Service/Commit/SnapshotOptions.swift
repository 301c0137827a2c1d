import Foundation
public import Storage

/// Where a machine's snapshots are, and when one is taken.
public struct SnapshotOptions: Sendable {
    /// Where they are.
    public var store: SnapshotStore
    /// One is taken after so many events since the last one: transfers, accounts or commands.
    public var events: UInt64 = 4_000_000
    /// One is taken after so long if anything was committed since the last one.
    public var interval: Duration = .seconds(600)
    /// Bytes of memory that can be had now, `nil` if that is not known: a snapshot needs a second
    /// machine, so none is taken while there is less than this process has already.
    public var availableMemory: @Sendable () -> Int? = { MemoryRoom.available }
    /// Hears what is done and what is wrong, on the thread where it happens.
    public var notice: @Sendable (SnapshotNotice) -> Void = { notice in
        if notice.isWarning {
            FileHandle.standardError.write(Data("exchequer: \(notice)\n".utf8))
        }
    }

    /// Four million events, which replay in seconds, or ten minutes; warnings go to standard error.
    public init(_ store: SnapshotStore) {
        self.store = store
    }
}
