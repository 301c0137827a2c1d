import Economics
import Ledger
public import Primitives

/// The way back from the canonical bytes, for snapshots.
extension ClearingHouse {
    /// Reads a state into an empty house; its indexes follow from the records. Checks the form, the
    /// ledger's balances, and that records have the numbers they are found by, but not every rule:
    /// use nothing whose hash is not known to be right. After an error the house is of no use.
    /// O(state).
    public mutating func restore(from reader: inout ByteReader) throws(CodecError) {
        guard try reader.readString(limit: 64) == ClearingHouse.encodingName else {
            throw .invalidValue("state encoding")
        }
        parameters = try reader.readOptional()
        chain = try reader.readUInt64()
        now = try reader.read()
        try ledger.restore(from: &reader)
        parties = try reader.records { (reader) throws(CodecError) in try Party(state: &reader) }
        nodes = try reader.records { (reader) throws(CodecError) in try NodeRecord(state: &reader) }
        models = try reader.records { (reader) throws(CodecError) in try Model(state: &reader) }
        offers = try reader.records { (reader) throws(CodecError) in try Offer(state: &reader) }
        jobs = try reader.records { (reader) throws(CodecError) in try Job(state: &reader) }
        verdicts = try reader.records { (reader) throws(CodecError) in
            try VerdictRecord(state: &reader)
        }
        batches = try reader.records { (reader) throws(CodecError) in try Batch(state: &reader) }
        epochs = try reader.records { (reader) throws(CodecError) in
            try EpochRecord(state: &reader)
        }
        epochStartedAt = try reader.read()
        let (rest, parts) = try StateParts.read(from: &reader)
        emissionRest = rest
        if parts.contains(.emission) {
            emissionState = try reader.read()
            if emissionState == .none { throw .invalidValue("emission state") }
        }
        lastBeacon = try reader.readDigest()
        let hasCursor = try reader.readBool()
        chainCursor = ChainCursor(
            block: try reader.readUInt64(), logIndex: try reader.readUInt32(), any: hasCursor)
        chainBlock = try reader.readDigest()
        undrawn = try reader.list()
        nextTransfer = try reader.readUInt128()
        var last: Agenda.Entry?
        for _ in 0..<(try reader.readCount(limit: .max)) {
            let time: Timestamp = try reader.read()
            guard let due = Due(rank: (try reader.readUInt8(), try reader.readUInt64())),
                holds(due)
            else { throw .invalidValue("agenda") }
            let entry = Agenda.Entry(time: time, due: due)
            if let last, Agenda.Entry.precedes(entry, last) { throw .invalidValue("agenda") }
            agenda.add(due, at: time)
            last = entry
        }
        if parts.contains(.payouts) { try restorePayouts(from: &reader) }
        if parts.contains(.channels) { try restoreChannels(from: &reader) }
        if parts.contains(.solana) { try restoreSolanaRecords(from: &reader) }
        if parts.contains(.deposits) { try restoreDeposits(from: &reader) }
        if parts.contains(.dispersalSeals) { try restoreSeals(from: &reader) }
        if parts.contains(.voucherSeals) { try restoreVoucherSeals(from: &reader) }
        if parts.contains(.voucherTimes) { try restoreVoucherTimes(from: &reader) }
        guard isNumbered else { throw .invalidValue("record number") }
        try rebuildIndexes()
    }

    /// Appends the balance history, which is not in the state's encoding.
    public func encodeHistory(into writer: inout ByteWriter) {
        ledger.encodeHistory(into: &writer)
    }

    /// Takes over the balance history of the same house.
    public mutating func restoreHistory(from reader: inout ByteReader) throws(CodecError) {
        try ledger.restoreHistory(from: &reader)
    }

    /// Whether every record stands where its number says.
    private var isNumbered: Bool {
        func isDense<Record, Kind>(_ records: [Record], _ id: (Record) -> Identifier<Kind>) -> Bool
        {
            records.indices.allSatisfy { id(records[$0]).rawValue == UInt64($0) + 1 }
        }
        return isDense(parties, \.id) && isDense(nodes, \.id) && isDense(models, \.id)
            && isDense(offers, \.id) && isDense(jobs, \.id) && isDense(verdicts, \.id)
            && isDense(batches, \.id) && isDense(epochs, \.id)
    }

    /// Whether there is what is due.
    private func holds(_ due: Due) -> Bool {
        switch due {
        case .window(let id), .audit(let id), .timeout(let id): jobs.at(id) != nil
        case .appeal(let id): verdicts.at(id) != nil
        case .offer(let id): offers.at(id) != nil
        }
    }

    /// Everything that is found by something else than its number, and the marks on open jobs.
    private mutating func rebuildIndexes() throws(CodecError) {
        for party in parties {
            index.partyByAddress[party.address] = party.id
            if !party.name.isEmpty { index.partyByName[party.name] = party.id }
            for key in party.keys { index.partyByKey[key.hash] = party.id }
        }
        for node in nodes { index.nodeByKey[node.key] = node.id }
        for model in models {
            index.modelByRoot[model.draft.root] = model.id
            index.modelByName[model.draft.name] = model.id
        }
        for job in jobs {
            let key = Index.RequestKey(buyer: job.demand.buyer, request: job.demand.request)
            index.jobByRequest[key] = job.id
        }
        for verdict in verdicts { index.verdictBySlashKey[verdict.slashKey] = verdict.id }
        for id in undrawn {
            if jobs.at(id) == nil { throw .invalidValue("undrawn job") }
            jobs[id].isQueued = true
        }
        passFinalJobs()
    }
}

extension Due {
    /// What has this rank.
    fileprivate init?(rank: (UInt8, UInt64)) {
        switch rank.0 {
        case 0: self = .window(JobID(rank.1))
        case 1: self = .audit(JobID(rank.1))
        case 2: self = .timeout(JobID(rank.1))
        case 3: self = .appeal(VerdictID(rank.1))
        case 4: self = .offer(OfferID(rank.1))
        default: return nil
        }
    }
}

extension ByteReader {
    /// Reads a counted list of records.
    fileprivate mutating func records<Record>(
        _ read: (inout ByteReader) throws(CodecError) -> Record
    ) throws(CodecError) -> [Record] {
        var records: [Record] = []
        for _ in 0..<(try readCount(limit: .max)) { records.append(try read(&self)) }
        return records
    }

    /// Reads a counted list, however long.
    fileprivate mutating func list<Element: CanonicalCodable>() throws(CodecError) -> [Element] {
        try readArray(limit: .max)
    }

    /// Reads text, however long.
    fileprivate mutating func text() throws(CodecError) -> String {
        try readString(limit: .max)
    }

    /// Reads a case by its number.
    fileprivate mutating func state<Value: RawRepresentable<UInt8>>() throws(CodecError) -> Value {
        guard let value = Value(rawValue: try readUInt8()) else { throw .invalidValue("state") }
        return value
    }

    /// Reads units for each asset.
    fileprivate mutating func units() throws(CodecError) -> [UInt128] {
        var units: [UInt128] = []
        for _ in Asset.allCases { units.append(try readUInt128()) }
        return units
    }
}

extension Party {
    fileprivate init(state reader: inout ByteReader) throws(CodecError) {
        let id: PartyID = try reader.read()
        let address: EVMAddress = try reader.read()
        let name = try reader.text()
        self.init(id: id, address: address, name: name, createdAt: try reader.read())
        let mark = try reader.readUInt8()
        guard mark & 0x3F < 2 else { throw .invalidValue("tombstone") }
        tombstoned = mark & 1 != 0
        objectiveFaults = try reader.readUInt32()
        livenessFaults = try reader.readUInt32()
        rewardLostUntil = try reader.read()
        livenessLostUntil = try reader.read()
        epochWork = try reader.readUInt64()
        totalWork = try reader.readUInt64()
        exposure = try reader.read()
        guard let running = Int(exactly: try reader.readUInt64()) else {
            throw .invalidValue("running jobs")
        }
        runningJobs = running
        nodes = try reader.list()
        keys = try reader.records { (reader) throws(CodecError) in
            APIKey(
                hash: try reader.readDigest(), label: try reader.text(),
                createdAt: try reader.read())
        }
        allotted = try reader.units()
        if mark & 0x80 != 0 {
            payee = try reader.read()
            if payee == PayeeRecord() { throw .invalidValue("payee") }
        }
        if mark & 0x40 != 0 {
            advances = try reader.read()
            guard let total = advances.total, !total.isZero, total <= payee.debt else {
                throw .invalidValue("advances")
            }
        }
    }
}

extension NodeRecord {
    fileprivate init(state reader: inout ByteReader) throws(CodecError) {
        self.init(
            id: try reader.read(), party: try reader.read(), key: try reader.read(),
            kernel: try reader.text(), createdAt: try reader.read())
        let mark = try reader.readUInt8()
        guard mark & 0x7F < 2 else { throw .invalidValue("presence") }
        online = mark & 1 != 0
        verifies = try reader.list()
        offers = try reader.list()
        openAudits = try reader.readUInt32()
        if mark & 0x80 != 0 { measures = try reader.read() }
    }
}

extension Model {
    fileprivate init(state reader: inout ByteReader) throws(CodecError) {
        self.init(
            id: try reader.read(), draft: try reader.read(), createdAt: try reader.read(),
            offers: try reader.list(), verifiers: try reader.list())
    }
}

extension Offer {
    fileprivate init(state reader: inout ByteReader) throws(CodecError) {
        self.init(
            id: try reader.read(), party: try reader.read(), draft: try reader.read(),
            createdAt: try reader.read(), state: try reader.state(),
            running: try reader.readUInt16())
    }
}

extension StageAssignment {
    fileprivate init(state reader: inout ByteReader) throws(CodecError) {
        self.init(
            offer: try reader.read(), node: try reader.read(), party: try reader.read(),
            layers: try reader.read(), cost: try reader.read())
        if try reader.readBool() {
            roots = StageRoots(input: try reader.readDigest(), output: try reader.readDigest())
        }
    }
}

extension Job {
    fileprivate init(state reader: inout ByteReader) throws(CodecError) {
        let id: JobID = try reader.read()
        let demand: Demand = try reader.read()
        let openedAt: Timestamp = try reader.read()
        let state: JobState = try reader.state()
        let attempt = try reader.readUInt32()
        let pipeline = try reader.records { (reader) throws(CodecError) in
            try StageAssignment(state: &reader)
        }
        let failedNodes: [NodeID] = try reader.list()
        let hold: Amount = try reader.read()
        let holdTransfer = TransferID(try reader.readUInt128())
        let outputTokens = try reader.readUInt32()
        let output = try reader.readDigest()
        let cost: Amount = try reader.read()
        let endedAt: Timestamp = try reader.read()
        self.init(
            id: id, demand: demand, openedAt: openedAt, pipeline: pipeline, hold: hold,
            holdTransfer: holdTransfer, deadline: try reader.read())
        self.state = state
        self.attempt = attempt
        self.failedNodes = failedNodes
        self.outputTokens = outputTokens
        self.output = output
        self.cost = cost
        self.endedAt = endedAt
        auditor = try reader.read()
        verdict = try reader.read()
        let number = try reader.readUInt8()
        failure = FailureReason(rawValue: number)
        if number != 0, failure == nil { throw .invalidValue("failure") }
        suspect = try reader.readBool()
    }
}

extension VerdictRecord {
    fileprivate init(state reader: inout ByteReader) throws(CodecError) {
        let id: VerdictID = try reader.read()
        let verdict: Signed<Verdict> = try reader.read()
        guard let code = FaultCode(rawValue: try reader.readUInt16()) else {
            throw .invalidValue("fault code")
        }
        self.init(
            id: id, verdict: verdict, code: code, auditor: try reader.read(),
            accused: try reader.read(), recordedAt: try reader.read(), state: try reader.state(),
            rung: try reader.state(), captured: try reader.read())
        captures = try reader.records { (reader) throws(CodecError) in
            TransferID(try reader.readUInt128())
        }
        deadline = try reader.read()
        burned = try reader.read()
        settledOnChain = try reader.readBool()
    }
}

extension Batch {
    fileprivate init(state reader: inout ByteReader) throws(CodecError) {
        let id: BatchID = try reader.read()
        let cutAt: Timestamp = try reader.read()
        let lines = try reader.records { (reader) throws(CodecError) in
            BatchLine(
                party: try reader.read(), address: try reader.read(), asset: try reader.read(),
                cumulative: try reader.readUInt128())
        }
        self.init(id: id, cutAt: cutAt, lines: lines, added: try reader.units())
        // The top bit says that a commitment follows.
        let mark = try reader.readUInt8()
        guard let state = BatchState(rawValue: mark & 0x7F) else {
            throw .invalidValue("batch state")
        }
        self.state = state
        root = try reader.readDigest()
        transaction = try reader.readDigest()
        if mark & 0x80 != 0 { liabilities = try reader.read() }
    }
}

extension EpochRecord {
    fileprivate init(state reader: inout ByteReader) throws(CodecError) {
        self.init(
            id: try reader.read(), closedAt: try reader.read(), emitted: try reader.read(),
            shares: try reader.records { (reader) throws(CodecError) in
                EpochShare(
                    party: try reader.read(), work: try reader.readUInt64(),
                    amount: try reader.read())
            })
    }
}
