public import Primitives

/// Every number the house's rules depend on: one record, read by production and simulator alike,
/// fixed by the journal's first command and changed only by a journaled command.
public struct Parameters: Hashable, Sendable {
    /// The house's part of what a buyer pays, in ten-thousandths.
    public var feeBasisPoints: UInt32 = 500
    /// How long after delivery a job can still be audited; escrow is paid out at its end.
    public var challengeWindow: Timestamp.Span = .seconds(3600)
    /// How long a job may run before its hold is released.
    public var jobTimeoutSeconds: UInt32 = 600
    /// How long a verifier has for one audit.
    public var auditTimeout: Timestamp.Span = .seconds(600)
    /// How long an accused party can appeal before the captured bond is taken.
    public var appealWindow: Timestamp.Span = .seconds(86_400)
    /// The least bond, in USD, a provider must have for any offer to be live.
    public var minimumBond = Amount(10_000_000_000_000)
    /// The chance that a delivered job is audited, in millionths.
    public var auditRatePerMillion: UInt32 = 100_000
    /// The chance that an audit of wrong work convicts, in millionths (byte equality: all of it).
    public var auditPowerPerMillion: UInt32 = 1_000_000
    /// Safety margin on the required bond, in ten-thousandths (10,000 is one times).
    public var bondMarginBasisPoints: UInt32 = 15_000
    /// What a verifier earns for an audit that finds nothing, in ten-thousandths of the job's cost.
    public var auditFeeBasisPoints: UInt32 = 5_000
    /// The most a verifier earns for a conviction, as a multiple of the job's cost.
    public var bountyCostMultiple: UInt32 = 50
    /// The most a verifier earns for a conviction, in ten-thousandths of the penalty.
    public var bountyCapBasisPoints: UInt32 = 2_000
    /// The part of a penalty that is burned, in ten-thousandths; at least half, so that slashing
    /// oneself through a friendly verifier never pays.
    public var burnBasisPoints: UInt32 = 5_000
    /// Length of an emission epoch.
    public var epochLength: Timestamp.Span = .seconds(86_400)
    /// Incentive tokens emitted in the first epoch, unless there is another policy.
    public var initialEmission = Amount(1_000_000_000_000_000)
    /// Epochs after which the emission halves, unless there is another policy.
    public var halvingEpochs: UInt32 = 1460
    /// The emission policy, if it is not halving by the two numbers above.
    public var otherEmission: EmissionPolicy?
    /// The fee that backs one token-layer of work that earns emission, in USD ledger units
    /// (10^-12 dollars).
    public var feeUnitsPerWork: UInt32 = 100

    /// The defaults written above.
    public init() {}

    /// The emission policy in force.
    public var emission: EmissionPolicy {
        otherEmission
            ?? .heightHalving(
                HeightHalving(initial: initialEmission, interval: UInt64(halvingEpochs)))
    }

    /// Why these parameters are unsafe, or `nil` when they are sound.
    public var problem: String? {
        if feeBasisPoints > 10_000 { return "the fee is over 100 %" }
        if burnBasisPoints < 5_000 || burnBasisPoints > 10_000 {
            return "the burned part of a penalty must be between half and all"
        }
        if UInt64(bountyCapBasisPoints) + UInt64(burnBasisPoints) > 10_000 {
            return "bounty and burn are together over the penalty"
        }
        if auditRatePerMillion > 1_000_000 { return "the audit rate is over one" }
        if auditPowerPerMillion == 0 || auditPowerPerMillion > 1_000_000 {
            return "the audit power must be above zero and at most one"
        }
        if auditFeeBasisPoints > 10_000 { return "an audit costs more than the job" }
        if jobTimeoutSeconds == 0 { return "a job needs time to run" }
        if epochLength < .seconds(1) { return "an epoch lasts a second at least" }
        if halvingEpochs == 0 { return "the emission must halve some time" }
        if let problem = otherEmission?.problem { return problem }
        if feeUnitsPerWork == 0 { return "work without a fee must not earn emission" }
        return nil
    }
}

/// The numbers in their order, and behind them the emission policy if there is one. The top bit of
/// the fee, which is at most 10,000, says so: without a policy the bytes, and so journals and state
/// hashes, are those of before there was such a thing.
extension Parameters: CanonicalCodable {
    private static let policyFollows: UInt32 = 1 << 31

    public func encode(into writer: inout ByteWriter) {
        let fee = min(feeBasisPoints, Parameters.policyFollows - 1)
        writer.write(fee | (otherEmission == nil ? 0 : Parameters.policyFollows))
        writer.write(challengeWindow)
        writer.write(jobTimeoutSeconds)
        writer.write(auditTimeout)
        writer.write(appealWindow)
        writer.write(minimumBond)
        writer.write(auditRatePerMillion)
        writer.write(auditPowerPerMillion)
        writer.write(bondMarginBasisPoints)
        writer.write(auditFeeBasisPoints)
        writer.write(bountyCostMultiple)
        writer.write(bountyCapBasisPoints)
        writer.write(burnBasisPoints)
        writer.write(epochLength)
        writer.write(initialEmission)
        writer.write(halvingEpochs)
        writer.write(feeUnitsPerWork)
        if let otherEmission { writer.write(otherEmission) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init()
        let fee = try reader.readUInt32()
        feeBasisPoints = fee & ~Parameters.policyFollows
        challengeWindow = try reader.read()
        jobTimeoutSeconds = try reader.readUInt32()
        auditTimeout = try reader.read()
        appealWindow = try reader.read()
        minimumBond = try reader.read()
        auditRatePerMillion = try reader.readUInt32()
        auditPowerPerMillion = try reader.readUInt32()
        bondMarginBasisPoints = try reader.readUInt32()
        auditFeeBasisPoints = try reader.readUInt32()
        bountyCostMultiple = try reader.readUInt32()
        bountyCapBasisPoints = try reader.readUInt32()
        burnBasisPoints = try reader.readUInt32()
        epochLength = try reader.read()
        initialEmission = try reader.read()
        halvingEpochs = try reader.readUInt32()
        feeUnitsPerWork = try reader.readUInt32()
        if fee & Parameters.policyFollows != 0 { otherEmission = try reader.read() }
    }
}
