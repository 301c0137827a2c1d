public import Primitives

/// Which jobs a beacon draws for audit, and who audits them: numbers that nobody could know before
/// the beacon.
///
/// SplitMix64's finaliser (Steele, Lea, Flood 2014) folded over the beacon's four words, the job's
/// number and a salt.
public struct AuditLottery: Hashable, Sendable {
    @usableFromInline let seed: UInt64

    /// The lottery of a beacon.
    public init(beacon: Digest) {
        let words = beacon.words
        var state: UInt64 = 0
        for word in [words.0, words.1, words.2, words.3] {
            state = AuditLottery.fold(state, word)
        }
        seed = state
    }

    /// The lot of a job. O(1).
    @inlinable
    public func lot(job: UInt64, salt: UInt64) -> UInt64 {
        AuditLottery.fold(AuditLottery.fold(seed, job), salt)
    }

    /// Whether a job is drawn at a rate in millionths.
    @inlinable
    public func draws(job: UInt64, perMillion: UInt32) -> Bool {
        lot(job: job, salt: 1) % 1_000_000 < UInt64(perMillion)
    }

    /// Which of so many auditors, above zero, gets the job.
    @inlinable
    public func auditor(job: UInt64, among count: Int) -> Int {
        Int(lot(job: job, salt: 2) % UInt64(count))
    }

    @inlinable
    static func fold(_ state: UInt64, _ word: UInt64) -> UInt64 {
        var state = (state ^ word) &+ 0x9E37_79B9_7F4A_7C15
        state = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        state = (state ^ (state >> 27)) &* 0x94D0_49BB_1331_11EB
        return state ^ (state >> 31)
    }
}
