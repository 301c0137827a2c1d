import Clearing
import Economics
import Foundation
import Logging
public import Primitives
import Transport

/// What has to happen by itself as time passes: due things, audits, epochs, batches.
struct Housekeeper: Sendable {
    let sequencer: Sequencer
    let settlement: SettlementService?
    let auditInterval: Duration
    let settlesByItself: Bool
    let log: Logger

    private struct Look: Sendable {
        let isDue: Bool
        let undrawn: Int
        let isEpochOver: Bool
        let isPayable: Bool
    }

    /// Works until the task is cancelled.
    func run() async {
        var nextDraw = ContinuousClock.now + auditInterval
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(100))
            let now = Timestamp.systemNow
            let settles = settlesByItself
            let look = try? await sequencer.read { house in
                let length = house.parameters?.epochLength ?? .seconds(0)
                return Look(
                    isDue: house.nextDeadline.map { $0 <= now } ?? false,
                    undrawn: house.undrawnCount,
                    isEpochOver: settles && house.parameters != nil
                        && house.epochStartedAt + length <= now,
                    isPayable: house.batches.last.map { $0.state == .confirmed } ?? true)
            }
            guard let look else { continue }
            if look.isDue { await submit(.pulse) }
            if ContinuousClock.now >= nextDraw {
                nextDraw = ContinuousClock.now + auditInterval
                if look.undrawn > 0 { await submit(.drawAudits(beacon: await beacon())) }
            }
            if look.isEpochOver {
                await submit(.closeEpoch)
                if look.isPayable { await submit(.cutBatch) }
            }
        }
    }

    /// Something nobody could know when the receipts were signed: the hash of the chain's newest
    /// block, which anyone can look up again; without a chain, random bytes.
    private func beacon() async -> Digest {
        if let hash = await settlement?.newestBlock() { return hash }
        return Digest(Entropy.bytes(32)) ?? .zero
    }

    private func submit(_ command: Command) async {
        guard let outcome = try? await sequencer.submit(command) else { return }
        switch outcome {
        case .success: return
        // There is nothing to do yet: no news.
        case .failure(.nothingToSettle), .failure(.batchOpen), .failure(.beaconReused): return
        case .failure(let rejection):
            log.warning("housekeeping was refused", metadata: ["rejection": "\(rejection)"])
        }
    }
}

extension Timestamp {
    /// The operating system's time.
    public static var systemNow: Timestamp {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(
            nanoseconds: UInt64(max(time.tv_sec, 0)) * 1_000_000_000 + UInt64(time.tv_nsec))
    }
}
