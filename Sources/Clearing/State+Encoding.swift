import Economics
import Ledger
public import Primitives

/// The whole state as canonical bytes: the hash of them is the state hash that an audit proves.
/// Decoded only from snapshots (`restore(from:)`): otherwise state comes from the journal.
extension ClearingHouse {
    /// The encoding as one array. O(state).
    public func canonicalBytes() -> [UInt8] {
        var writer = ByteWriter()
        // About what records take: a state can be of hundreds of megabytes.
        writer.reserveCapacity(
            ledger.accounts.count * 128 + ledger.transferCount * 129 + jobs.count * 640
                + parties.count * 192 + 65_536)
        encode(into: &writer)
        return writer.bytes
    }

    /// Appends every field of every record, in order of id. O(state).
    public func encode(into writer: inout ByteWriter) {
        writer.write(ClearingHouse.encodingName)
        writer.write(parameters)
        writer.write(chain)
        writer.write(now)
        ledger.encode(into: &writer)
        encode(parties, into: &writer) { $1.write($0) }
        encode(nodes, into: &writer) { $1.write($0) }
        encode(models, into: &writer) { $1.write($0) }
        encode(offers, into: &writer) { $1.write($0) }
        encode(jobs, into: &writer) { $1.write($0) }
        encode(verdicts, into: &writer) { $1.write($0) }
        encode(batches, into: &writer) { $1.write($0) }
        encode(epochs, into: &writer) { $1.write($0) }
        writer.write(epochStartedAt)
        let parts = StateParts(of: self)
        parts.encode(with: emissionRest, into: &writer)
        if parts.contains(.emission) { writer.write(emissionState) }
        writer.write(lastBeacon)
        writer.write(chainCursor.any)
        writer.write(chainCursor.block)
        writer.write(chainCursor.logIndex)
        writer.write(chainBlock)
        writer.write(undrawn)
        writer.write(nextTransfer)
        encode(agenda.sorted, into: &writer) { entry, writer in
            writer.write(entry.time)
            writer.write(entry.due.rank.0)
            writer.write(entry.due.rank.1)
        }
        if parts.contains(.payouts) { encodePayouts(into: &writer) }
        if parts.contains(.channels) { writer.write(channels) }
        if parts.contains(.solana) { writer.write(solanaRecords) }
        if parts.contains(.deposits) { encodeDeposits(into: &writer) }
        if parts.contains(.dispersalSeals) { writer.write(dispersalSeals) }
        if parts.contains(.voucherSeals) { writer.write(voucherSeals) }
        if parts.contains(.voucherTimes) { encodeVoucherTimes(into: &writer) }
    }

    /// What every encoding starts with.
    static let encodingName = "exchequer-state-v1"

    private func encode<Record>(
        _ records: [Record], into writer: inout ByteWriter,
        with body: (Record, inout ByteWriter) -> Void
    ) {
        writer.write(UInt32(records.count))
        for record in records {
            body(record, &writer)
            writer.passOn()
        }
    }
}

extension ByteWriter {
    fileprivate mutating func write(_ party: Party) {
        write(party.id)
        write(party.address)
        write(party.name)
        write(party.createdAt)
        // The top bit says that what settlement knows of it follows at the end, and the next one
        // that what the house advanced for it does.
        let isKnown = party.payee != PayeeRecord()
        let hasAdvances = party.advances != Advances()
        write(
            UInt8(party.tombstoned ? 1 : 0) | (isKnown ? 0x80 : 0) | (hasAdvances ? 0x40 : 0))
        write(party.objectiveFaults)
        write(party.livenessFaults)
        write(party.rewardLostUntil)
        write(party.livenessLostUntil)
        write(party.epochWork)
        write(party.totalWork)
        write(party.exposure)
        write(UInt64(party.runningJobs))
        write(party.nodes)
        write(UInt32(party.keys.count))
        for key in party.keys {
            write(key.hash)
            write(key.label)
            write(key.createdAt)
        }
        for units in party.allotted { write(units) }
        if isKnown { write(party.payee) }
        if hasAdvances { write(party.advances) }
    }

    fileprivate mutating func write(_ node: NodeRecord) {
        write(node.id)
        write(node.party)
        write(node.key)
        write(node.kernel)
        write(node.createdAt)
        // The top bit says that measures follow: without any the bytes are those of before.
        let isMeasured = node.measures != NodeMeasures()
        write(UInt8(node.online ? 1 : 0) | (isMeasured ? 0x80 : 0))
        write(node.verifies)
        write(node.offers)
        write(node.openAudits)
        if isMeasured { write(node.measures) }
    }

    fileprivate mutating func write(_ model: Model) {
        write(model.id)
        write(model.draft)
        write(model.createdAt)
        write(model.offers)
        write(model.verifiers)
    }

    fileprivate mutating func write(_ offer: Offer) {
        write(offer.id)
        write(offer.party)
        write(offer.draft)
        write(offer.createdAt)
        write(offer.state.rawValue)
        write(offer.running)
    }

    fileprivate mutating func write(_ job: Job) {
        write(job.id)
        write(job.demand)
        write(job.openedAt)
        write(job.state.rawValue)
        write(job.attempt)
        write(UInt32(job.pipeline.count))
        for stage in job.pipeline {
            write(stage.offer)
            write(stage.node)
            write(stage.party)
            write(stage.layers)
            write(stage.cost)
            write(stage.roots != nil)
            if let roots = stage.roots {
                write(roots.input)
                write(roots.output)
            }
        }
        write(job.failedNodes)
        write(job.hold)
        write(job.holdTransfer.value)
        write(job.outputTokens)
        write(job.output)
        write(job.cost)
        write(job.endedAt)
        write(job.deadline)
        write(job.auditor)
        write(job.verdict)
        write(job.failure?.rawValue ?? 0)
        write(job.suspect)
    }

    fileprivate mutating func write(_ record: VerdictRecord) {
        write(record.id)
        write(record.verdict)
        write(record.code.rawValue)
        write(record.auditor)
        write(record.accused)
        write(record.recordedAt)
        write(record.state.rawValue)
        write(record.rung.rawValue)
        write(record.captured)
        write(UInt32(record.captures.count))
        for capture in record.captures { write(capture.value) }
        write(record.deadline)
        write(record.burned)
        write(record.settledOnChain)
    }

    fileprivate mutating func write(_ batch: Batch) {
        write(batch.id)
        write(batch.cutAt)
        write(UInt32(batch.lines.count))
        for line in batch.lines {
            write(line.party)
            write(line.address)
            write(line.asset)
            write(line.cumulative)
        }
        for units in batch.added { write(units) }
        // The top bit says that a commitment follows: without one the bytes, and so the state
        // hashes, are those of before there was such a thing.
        write(batch.state.rawValue | (batch.liabilities == nil ? 0 : 0x80))
        write(batch.root)
        write(batch.transaction)
        if let liabilities = batch.liabilities { write(liabilities) }
    }

    fileprivate mutating func write(_ epoch: EpochRecord) {
        write(epoch.id)
        write(epoch.closedAt)
        write(epoch.emitted)
        write(UInt32(epoch.shares.count))
        for share in epoch.shares {
            write(share.party)
            write(share.work)
            write(share.amount)
        }
    }
}
