import Cryptography
public import Primitives

/// How a lane is.
public struct EVMLaneStatus: Hashable, Sendable {
    /// The account.
    public let address: EVMAddress
    /// Whether it only ends what it began.
    public let isRetiring: Bool
    /// Its nonces that are not final, and its intents that wait for one.
    public let open: Int
    /// What its transactions of the last day it was used may cost in wei, at worst.
    public let dayCost: UInt128
}

/// Lanes as a whole: accounts that begin, retire and are done.
extension EVMManager {
    /// The lanes in the order of their accounts. O(nonces that are not final).
    public var laneStatuses: [EVMLaneStatus] {
        lanes.map { lane in
            EVMLaneStatus(
                address: lane.address, isRetiring: lane.isRetiring,
                open: lane.slots.count + lane.aside.count + lane.waitingCount,
                dayCost: lane.cost(on: lane.day))
        }
    }

    mutating func openLane(
        _ address: EVMAddress, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) throws(EVMManagerRejection) {
        if let lane = laneIndex(address) {
            lanes[lane].isRetiring = false
            return
        }
        guard lanes.count < policy.maximumLanes else { throw .tooManyLanes }
        let place = lanes.firstIndex { address < $0.address } ?? lanes.count
        lanes.insert(NonceLane(address: address), at: place)
        askedAt = .zero
        advance(at: now, &actions)
    }

    /// From now on an account only ends what it began. What waits for a nonce, or has one for which
    /// nothing was ever signed, is called off, so that its caller can hand it to another lane: no
    /// node can have heard of it, since a signature that is not in the log was given to none.
    mutating func retireLane(
        _ address: EVMAddress, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) {
        guard let lane = laneIndex(address) else { return }
        lanes[lane].isRetiring = true
        for id in lanes[lane].takeWaiting() { close(id, .failed(.cancelled), &actions) }
        while let last = lanes[lane].slots.last, let intent = last.intent, last.isUnsigned {
            lanes[lane].slots.removeLast()
            close(intent.id, .failed(.cancelled), &actions)
        }
        // Below those that were signed the nonce must be used, or they could never be.
        for place in lanes[lane].slots.indices {
            let slot = lanes[lane].slots[place]
            guard slot.isUnsigned, slot.intent != nil, slot.filling == nil else { continue }
            fill(place, in: lane, .cancelled, at: now, &actions)
        }
        dropDrainedLanes(&actions)
    }

    /// Forgets retired lanes that have nothing under way.
    mutating func dropDrainedLanes(_ actions: inout [EVMManagerAction]) {
        for lane in lanes where lane.isRetiring && lane.slots.isEmpty {
            actions.append(.alert(.laneDrained(lane.address)))
        }
        lanes.removeAll { $0.isRetiring && $0.slots.isEmpty }
    }

    // MARK: The day's limit

    /// Whether a lane may spend `cost` more today, besides what its other nonces may cost.
    func isWithinDay(
        _ cost: UInt128, in lane: Int, besides place: Int? = nil, at now: Timestamp
    ) -> Bool {
        guard policy.dayLimit < .max else { return true }
        let others = lanes[lane].cost(on: now.day, besides: place)
        return others.saturatingSum(cost) <= policy.dayLimit
    }

    /// Says so once when a lane's intents begin to wait for the next day, and when they no longer
    /// do.
    mutating func setOverDay(
        _ isOver: Bool, _ lane: Int, at now: Timestamp, _ actions: inout [EVMManagerAction]
    ) {
        guard isOver != (lanes[lane].overDay != nil) else { return }
        lanes[lane].overDay = isOver ? now.day : nil
        let cause = EVMBreakerCause.dayLimit(lanes[lane].address)
        actions.append(.alert(isOver ? .opened(cause) : .closed(cause)))
    }
}

extension Timestamp {
    /// The day of UTC since 1970.
    var day: UInt64 { nanoseconds / 86_400_000_000_000 }
}
