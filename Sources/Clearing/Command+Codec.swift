import Economics
public import Primitives

/// The journal's format of a command: one tag byte, then the fields in order. Tags are stable for
/// ever (docs/internals/journal.md).
extension Command: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(tag)
        switch self {
        case .configure(let parameters, let chain):
            writer.write(parameters)
            writer.write(chain)
        case .registerParty(let address): writer.write(address)
        case .nameParty(let party, let name):
            writer.write(party)
            writer.write(name)
        case .registerNode(let party, let key, let kernel):
            writer.write(party)
            writer.write(key)
            writer.write(kernel)
        case .setPresence(let node, let online):
            writer.write(node)
            writer.write(online)
        case .recordMeasures(let measurements): writer.write(measurements)
        case .registerModel(let draft): writer.write(draft)
        case .enlistVerifier(let node, let model):
            writer.write(node)
            writer.write(model)
        case .issueKey(let party, let hash, let label):
            writer.write(party)
            writer.write(hash)
            writer.write(label)
        case .revokeKey(let party, let hash):
            writer.write(party)
            writer.write(hash)
        default: encodeWork(into: &writer)
        }
    }

    private func encodeWork(into writer: inout ByteWriter) {
        switch self {
        case .postOffer(let draft): writer.write(draft)
        case .withdrawOffer(let party, let offer):
            writer.write(party)
            writer.write(offer)
        case .openJob(let demand): writer.write(demand)
        case .replaceStage(let job, let attempt, let stage, let code):
            writer.write(job)
            writer.write(attempt)
            writer.write(stage)
            writer.write(code.rawValue)
        case .replaceDoubted(let job, let attempt, let stage):
            writer.write(job)
            writer.write(attempt)
            writer.write(stage)
        case .replaceByStandIn(let job, let attempt, let stage, let code, let node):
            writer.write(job)
            writer.write(attempt)
            writer.write(stage)
            writer.write(code.rawValue)
            writer.write(node)
        case .submitReceipts(let delivery): writer.write(delivery)
        case .failJob(let job, let reason):
            writer.write(job)
            writer.write(reason.rawValue)
        case .drawAudits(let beacon): writer.write(beacon)
        case .recordVerdict(let verdict): writer.write(verdict)
        case .openAppeal(let verdict, let party):
            writer.write(verdict)
            writer.write(party)
        case .resolveAppeal(let verdict, let upheld):
            writer.write(verdict)
            writer.write(upheld)
        case .noteUnprovenWeights(let node, let challenge):
            writer.write(node)
            writer.write(challenge)
        case .observeChain(let reference, let observation):
            writer.write(reference)
            writer.write(observation)
        case .withdraw(let party, let asset, let amount):
            writer.write(party)
            writer.write(asset)
            writer.write(amount)
        case .reverseChain(let reference, let observation, let previous):
            writer.write(reference)
            writer.write(observation)
            writer.write(previous)
        case .writeOffSlash(let verdict):
            writer.write(verdict)
        case .forgoSlash(let verdict, let isRequested):
            writer.write(verdict)
            writer.write(isRequested)
        case .collectFees(let party, let amount):
            writer.write(party)
            writer.write(amount)
        case .sealBatch(let batch, let root, let liabilities):
            writer.write(batch)
            writer.write(root)
            if let liabilities { writer.write(liabilities) }
        default: encodePayouts(into: &writer)
        }
    }

    private func encodePayouts(into writer: inout ByteWriter) {
        switch self {
        case .settle(let quotes): writer.write(quotes)
        case .setPayout(let party, let settings):
            writer.write(party)
            writer.write(settings)
        case .bookCost(let cost): writer.write(cost)
        case .notePayment(let dispersal, let payment, let note):
            writer.write(dispersal)
            writer.write(payment)
            writer.write(note)
        case .notePool(let dispersal, let note):
            writer.write(dispersal)
            writer.write(note)
        case .splitDispersal(let dispersal), .returnDispersal(let dispersal):
            writer.write(dispersal)
        case .payOut(let party, let asset, let amount, let key, let quotes):
            writer.write(party)
            writer.write(asset)
            writer.write(amount)
            writer.write(key)
            writer.write(quotes)
        case .openChannel(let draft): writer.write(draft)
        case .fundChannel(let channel, let total):
            writer.write(channel)
            writer.write(total)
        case .closeChannel(let channel): writer.write(channel)
        case .pinSolana(let pin): writer.write(pin)
        case .forgetSolana(let owner, let round):
            writer.write(owner)
            writer.write(round)
        case .registerDepositor(let party, let owner), .removeDepositor(let party, let owner):
            writer.write(party)
            writer.write(owner)
        case .takeDeposits(let payer): writer.write(payer)
        case .bookDeposit(let transfer): writer.write(transfer)
        case .sealDispersals(let first, let last, let books):
            writer.write(first)
            writer.write(last)
            writer.write(books)
        case .sealVouchers(let sums, let books):
            writer.write(sums)
            writer.write(books)
        default: break
        }
    }

    /// The number of the case. Never reused.
    private var tag: UInt8 {
        switch self {
        case .configure: 1
        case .registerParty: 2
        case .nameParty: 3
        case .registerNode: 4
        case .setPresence: 5
        case .registerModel: 6
        case .enlistVerifier: 7
        case .issueKey: 8
        case .revokeKey: 9
        case .recordMeasures: 10
        case .postOffer: 20
        case .withdrawOffer: 21
        case .openJob: 30
        case .replaceStage: 31
        case .submitReceipts: 32
        case .failJob: 33
        case .replaceDoubted: 34
        case .replaceByStandIn: 35
        case .reverseChain: 36
        case .replaceBatch: 37
        case .drawAudits: 40
        case .recordVerdict: 41
        case .openAppeal: 42
        case .resolveAppeal: 43
        case .noteUnprovenWeights: 44
        case .observeChain: 50
        case .withdraw: 51
        case .closeEpoch: 52
        case .cutBatch: 53
        case .sealBatch(_, _, nil): 54
        case .sealBatch: 57
        case .writeOffSlash: 55
        case .collectFees: 56
        case .pulse: 60
        case .settle: 70
        case .setPayout: 71
        case .bookCost: 72
        case .notePayment: 73
        case .splitDispersal: 74
        case .payOut: 75
        case .openChannel: 76
        case .fundChannel: 77
        case .closeChannel: 78
        case .pinSolana: 79
        case .forgetSolana: 80
        case .returnDispersal: 83
        case .registerDepositor: 81
        case .takeDeposits: 82
        case .bookDeposit: 84
        case .removeDepositor: 85
        case .sealDispersals: 86
        case .sealVouchers: 87
        case .notePool: 88
        case .forgoSlash: 90
        }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let tag = try reader.readUInt8()
        switch tag {
        case 1: self = .configure(try reader.read(), chain: try reader.readUInt64())
        case 2: self = .registerParty(address: try reader.read())
        case 3:
            self = .nameParty(
                try reader.read(), name: try reader.readString(limit: Limits.textBytes))
        case 4:
            self = .registerNode(
                try reader.read(), key: try reader.read(),
                kernel: try reader.readString(limit: Limits.textBytes))
        case 5: self = .setPresence(try reader.read(), online: try reader.readBool())
        case 6: self = .registerModel(try reader.read())
        case 7: self = .enlistVerifier(try reader.read(), model: try reader.read())
        case 8:
            self = .issueKey(
                try reader.read(), hash: try reader.readDigest(),
                label: try reader.readString(limit: Limits.textBytes))
        case 9: self = .revokeKey(try reader.read(), hash: try reader.readDigest())
        case 10: self = .recordMeasures(try reader.readArray(limit: Limits.measurements))
        default: self = try Command.work(tag: tag, from: &reader)
        }
    }

    private static func work(
        tag: UInt8, from reader: inout ByteReader
    ) throws(CodecError) -> Command {
        switch tag {
        case 20: return .postOffer(try reader.read())
        case 21: return .withdrawOffer(try reader.read(), try reader.read())
        case 30: return .openJob(try reader.read())
        case 31:
            return .replaceStage(
                try reader.read(), attempt: try reader.readUInt32(),
                stage: try reader.readUInt16(), code: try faultCode(from: &reader))
        case 32: return .submitReceipts(try reader.read())
        case 33:
            let job: JobID = try reader.read()
            guard let reason = FailureReason(rawValue: try reader.readUInt8()) else {
                throw .invalidValue("failure reason")
            }
            return .failJob(job, reason: reason)
        case 34:
            return .replaceDoubted(
                try reader.read(), attempt: try reader.readUInt32(),
                stage: try reader.readUInt16())
        case 35:
            return .replaceByStandIn(
                try reader.read(), attempt: try reader.readUInt32(),
                stage: try reader.readUInt16(), code: try faultCode(from: &reader),
                standIn: try reader.read())
        case 36:
            return .reverseChain(
                try reader.read(), try reader.read(), previous: try reader.readOptional())
        case 37: return .replaceBatch
        case 40: return .drawAudits(beacon: try reader.readDigest())
        case 41: return .recordVerdict(try reader.read())
        case 42: return .openAppeal(try reader.read(), by: try reader.read())
        case 43: return .resolveAppeal(try reader.read(), upheld: try reader.readBool())
        case 44:
            return .noteUnprovenWeights(try reader.read(), challenge: try reader.readDigest())
        case 50: return .observeChain(try reader.read(), try reader.read())
        case 51:
            return .withdraw(
                try reader.read(), asset: try reader.read(), amount: try reader.read())
        case 52: return .closeEpoch
        case 53: return .cutBatch
        case 54: return .sealBatch(try reader.read(), root: try reader.readDigest())
        case 55: return .writeOffSlash(try reader.read())
        case 56: return .collectFees(try reader.read(), amount: try reader.read())
        case 57:
            return .sealBatch(
                try reader.read(), root: try reader.readDigest(), liabilities: try reader.read())
        case 60: return .pulse
        default: return try payouts(tag: tag, from: &reader)
        }
    }

    private static func payouts(
        tag: UInt8, from reader: inout ByteReader
    ) throws(CodecError) -> Command {
        switch tag {
        case 70: return .settle(try reader.read())
        case 71: return .setPayout(try reader.read(), try reader.read())
        case 72: return .bookCost(try reader.read())
        case 73:
            return .notePayment(
                try reader.read(), payment: try reader.readUInt32(), try reader.read())
        case 74: return .splitDispersal(try reader.read())
        case 75:
            return .payOut(
                try reader.read(), asset: try reader.read(), amount: try reader.read(),
                key: try reader.readDigest(), quotes: try reader.read())
        case 76: return .openChannel(try reader.read())
        case 77: return .fundChannel(try reader.read(), total: try reader.readUInt128())
        case 78: return .closeChannel(try reader.read())
        case 79: return .pinSolana(try reader.read())
        case 80:
            return .forgetSolana(
                try reader.readString(limit: Limits.textBytes), round: try reader.readUInt64())
        case 81: return .registerDepositor(try reader.read(), owner: try reader.readDigest())
        case 82: return .takeDeposits(payer: try reader.read())
        case 83: return .returnDispersal(try reader.read())
        case 84: return .bookDeposit(try reader.read())
        case 85: return .removeDepositor(try reader.read(), owner: try reader.readDigest())
        case 86:
            return .sealDispersals(
                first: try reader.read(), last: try reader.read(), books: try reader.read())
        case 87:
            return .sealVouchers(
                try reader.readArray(limit: Limits.openChannels), books: try reader.read())
        case 88: return .notePool(try reader.read(), try reader.read())
        case 90: return .forgoSlash(try reader.read(), isRequested: try reader.readBool())
        default: throw .invalidValue("command")
        }
    }

    private static func faultCode(from reader: inout ByteReader) throws(CodecError) -> FaultCode {
        guard let code = FaultCode(rawValue: try reader.readUInt16()) else {
            throw .invalidValue("fault code")
        }
        return code
    }
}
