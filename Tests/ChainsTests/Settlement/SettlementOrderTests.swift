import Chains
import Cryptography
import Primitives
import Testing

/// Which intent stands for an order, and what follows from what became of it.
@Suite struct SettlementOrderTests {
    private let key: Digest
    private let sender: EVMAddress
    private let contract: EVMAddress
    private var orders: SettlementOrders
    private let order: SettlementOrder

    init() throws {
        key = try digest(0x17)
        sender = try address(1)
        contract = try address(2)
        orders = SettlementOrders(
            contract: contract, artifact: try Project.artifact("Exchequer"), sender: sender,
            feeLimit: 9)
        order = .slash(provider: try address(3), amount: 5, burned: 1, verdict: key)
    }

    private let included = EVMInclusion(
        transaction: .zero, blockNumber: 7, blockHash: .zero, index: 0, succeeded: true,
        gasUsed: 1, gasPrice: 1)

    @Test func theIdsFollowFromTheOrderAlone() throws {
        #expect(order.key == key)
        let root = try digest(0x21)
        let one = SettlementOrder.commitRoot(
            batch: 4, root: root, totalUSD: 1, totalTLY: 2, journalHead: .zero, liabilities: .zero)
        let other = SettlementOrder.commitRoot(
            batch: 4, root: root, totalUSD: 1, totalTLY: 2, journalHead: key, liabilities: key)
        #expect(one.key == other.key && one.key == SettlementOrder.key(ofBatch: 4, root: root))
        #expect(one.key != SettlementOrder.key(ofBatch: 5, root: root))
        #expect(one.key != SettlementOrder.key(ofBatch: 4, root: key))
    }

    @Test func aDispersalIsItsNameAndAnApprovalIsTheTokensAndTheOwners() throws {
        let payment = EVMPayment(to: try address(5), units: 7)
        let one = SettlementOrder.disperse(
            token: try address(4), name: key, payments: [payment])
        #expect(one.key == SettlementOrder.key(ofDispersal: key) && one.key != order.key)
        let intent = try orders.intent(one.key, for: one)
        #expect(intent.to == contract)
        #expect(
            intent.data
                == (try Project.artifact("Exchequer").callData(
                    "disperse",
                    [
                        .address(try address(4)), .bytes32(key), .array([.address(try address(5))]),
                        .array([.uint(7)]),
                    ])))
        // The books it is made under are behind the arguments, and are no other dispersal.
        let books = PushedBooks(journalHead: key, liabilities: .zero)
        let sealed = SettlementOrder.disperse(
            token: try address(4), name: key, payments: [payment], books: books)
        #expect(sealed.key == one.key)
        let bytes = key.bytes + [UInt8](repeating: 0, count: 32)
        #expect(try orders.intent(sealed.key, for: sealed).data == intent.data + bytes)
        let approval = SettlementOrder.approve(
            token: try address(4), spender: contract, owner: sender)
        // Another account's leave is another order, whatever became of the first one's.
        let other = SettlementOrder.approve(
            token: try address(4), spender: contract, owner: try address(6))
        #expect(approval.key != other.key)
        let leave = try orders.intent(approval.key, for: approval)
        #expect(leave.to == (try address(4)))
        #expect(
            leave.data.prefix(36)
                == (try Project.artifact("Token").callData(
                    "approve", [.address(contract), .uint(1)])).prefix(36))
        #expect(leave.data.suffix(32) == Array(repeating: 0xFF, count: 32)[...])
    }

    /// Each transaction of an order that a block holds cost something, those that were undone too.
    @Test func whatAnOrderCostIsInAllItsBlocks() throws {
        var ends: [Digest: EVMIntentStatus] = [:]
        var ids: [Digest] = []
        var all = orders
        for end: EVMIntentOutcome in [
            .failed(.reverted(included)), .failed(.wouldRevert("no")), .settled(included),
        ] {
            let step = all.step(of: key, at: Timestamp(seconds: 99_999)) { ends[$0] ?? .absent }
            guard case .submit(let id) = step else {
                Issue.record("\(step)")
                return
            }
            ids.append(id)
            ends[id] = .inFlight(nonce: 1, transactions: [])
            #expect(!all.inclusions(of: key) { ends[$0] ?? .absent }.isClosed)
            ends[id] = .closed(end)
            all.retryNow()
            _ = all.step(of: key, at: Timestamp(seconds: 1)) { ends[$0] ?? .absent }
            all.retryNow()
        }
        let (found, isClosed) = all.inclusions(of: key) { ends[$0] ?? .absent }
        #expect(found == [included, included] && isClosed && Set(ids).count == 3)
    }

    @Test mutating func anOrderIsSubmittedOnceAndThenWaitedFor() throws {
        #expect(orders.step(of: key, at: Timestamp(seconds: 1)) { _ in .absent } == .submit(key))
        let intent = try orders.intent(key, for: order)
        #expect(intent.id == key && intent.from == sender && intent.to == contract)
        #expect(intent.feeLimit == 9 && intent.gasLimit == 0 && intent.value == 0)
        #expect(
            intent.data
                == (try Project.artifact("Exchequer").callData(
                    "slash",
                    [.address(try address(3)), .uint(5), .uint(1), .bytes32(key)])))
        for status in [
            EVMIntentStatus.waiting, .inFlight(nonce: 3, transactions: []),
            .inFlight(nonce: 3, transactions: [.zero]),
        ] {
            #expect(
                orders.step(of: key, at: Timestamp(seconds: 9_999)) { _ in status }
                    == .wait(status))
        }
        #expect(
            orders.step(of: key, at: Timestamp(seconds: 2)) { _ in .closed(.settled(included)) }
                == .done(included))
    }

    /// What was carried out in a block that is gone has to be sent again, at once.
    @Test mutating func anOrderWhoseBlockIsGoneIsSentAgain() throws {
        let ends: [Digest: EVMIntentOutcome] = [key: .settled(included)]
        func status(_ id: Digest) -> EVMIntentStatus { ends[id].map { .closed($0) } ?? .absent }
        let now = Timestamp(seconds: 5)
        #expect(orders.step(of: key, at: now, status: status) == .done(included))
        let other = try digest(0x77)
        #expect(orders.step(of: key, at: now, without: [other], status: status) == .done(included))
        let gone: Set = [included.blockHash]
        guard case .submit(let id) = orders.step(of: key, at: now, without: gone, status: status)
        else {
            Issue.record("it is not sent again")
            return
        }
        #expect(id != key)
    }

    @Test func activationExecutionAndHeartbeatAreOrdersOfTheirOwn() throws {
        let committed = CommittedRoot(
            batch: 4, root: key, journalHead: try digest(1), liabilities: try digest(2))
        let activation = SettlementOrder.activateRoot(committed)
        let execution = SettlementOrder.executeSlash(verdict: key)
        let root = SettlementOrder.key(ofBatch: 4, root: key)
        #expect(Set([activation.key, execution.key, root, order.key]).count == 4)
        #expect(activation.key == SettlementOrder.key(ofActivation: 4, root: key))
        #expect(execution.key == SettlementOrder.key(ofExecution: key))
        // A heartbeat counts once for the one before it.
        let beats = [7, 8].map { SettlementOrder.heartbeat(last: $0) }
        #expect(beats[0].key != beats[1].key)
        let call = try Project.artifact("Exchequer").callData("heartbeat", [])
        #expect(try orders.intent(beats[0].key, for: beats[0]).data == call)
    }

    @Test mutating func aRefusedOrderGetsANewIdAfterAPauseThatGrows() throws {
        var ends: [Digest: EVMIntentOutcome] = [:]
        var ids: [Digest] = []
        var now: UInt64 = 1_000
        for expected: UInt64 in [30, 60, 120, 240, 480, 480] {
            guard case .submit(let id) = step(at: now, ends) else {
                Issue.record("attempt \(ids.count) does not start")
                return
            }
            #expect(!ids.contains(id))
            ids.append(id)
            ends[id] = .failed(.wouldRevert("paused"))
            #expect(step(at: now, ends) == .refused(.wouldRevert("paused")))
            #expect(step(at: now + expected - 1, ends) == .refused(.wouldRevert("paused")))
            now += expected
        }
        // A process that begins anew finds the same next id, and tries at once.
        var again = SettlementOrders(
            contract: contract, artifact: try Project.artifact("Exchequer"), sender: sender,
            feeLimit: 9)
        let here = step(at: now, ends)
        let there = again.step(of: key, at: Timestamp(seconds: 1)) { id in
            ends[id].map { .closed($0) } ?? .absent
        }
        #expect(here == there)
        guard case .submit(let id) = here else {
            Issue.record("\(here)")
            return
        }
        ends[id] = .failed(.reverted(included))
        #expect(step(at: now, ends) == .refused(.reverted(included)))
        #expect(orders.lastID(of: key) != id)
        orders.retryNow()
        guard case .submit = step(at: now, ends) else {
            Issue.record("a person's word does not end the pause")
            return
        }
    }

    private mutating func step(
        at now: UInt64, _ ends: [Digest: EVMIntentOutcome]
    ) -> SettlementOrders.Step {
        orders.step(of: key, at: Timestamp(seconds: now)) { id in
            ends[id].map { .closed($0) } ?? .absent
        }
    }

    @Test func onlyTheContractsOwnWordWritesASlashOff() throws {
        let refusals: [(EVMIntentFailure, Bool)] = [
            (.wouldRevert("no bond"), true), (.wouldRevert("execution reverted: no bond"), true),
            (.wouldRevert("verdict used"), false), (.reverted(included), false),
            (.refused("no bond"), false), (.replaced, false),
        ]
        for (failure, isOver) in refusals {
            var orders = orders
            let step = orders.step(of: key, at: Timestamp(seconds: 5)) { id in
                id == key ? .closed(.failed(failure)) : .absent
            }
            #expect((step == .withoutBond) == isOver, "\(failure)")
        }
    }
}
