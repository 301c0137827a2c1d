import NIOCore
import Service
import Synchronization

/// Requests on their way from an event loop to the ledger: all that came in one turn of the loop
/// cross in one step, so that they wake the ledger once.
///
/// A few requests wait a moment for the clients that were answered last, whose next requests are
/// probably on their way: so all of them share one sync, and not three, one after the other. It is
/// what PostgreSQL's `commit_delay` is for. Nobody waits if there is nobody to wait for; a client
/// alone never does. When all of a few are here, the loop decides and commits them by itself, since
/// nothing else is to be done until then (docs/decisions/0019-who-waits-for-whom.md).
final class RequestGate {
    /// So many requests do not wait for more: a sync that they share costs each of them little.
    private static let enough = 32
    /// The longest that a request waits here: about as long as a sync of a fast disk.
    private static let patience = TimeAmount.microseconds(100)
    /// A commit that took longer than this is not one to wait for on the loop.
    private static let quick = TimeAmount.milliseconds(1)
    /// So many groups are handed over after a commit that was not quick, or a large group.
    private static let handOvers = 256

    private let service: LedgerService
    private let loop: any EventLoop
    private var batch = LedgerBatch()
    /// Counts the deliveries of replies.
    private var delivery: UInt64 = 0
    /// How many replies of the last delivery were not followed by a request yet.
    private var awaited = 0
    /// Runs while requests wait for others.
    private var timer: Scheduled<Void>?
    /// How many groups are still handed over.
    private var handOvers = 0

    init(_ service: LedgerService, _ loop: any EventLoop) {
        self.service = service
        self.loop = loop
    }

    /// Adds a request of a client that had its last reply with the delivery `answered`. On the
    /// event loop only.
    func add(
        _ request: LedgerRequest, answered: UInt64,
        _ reply: @escaping @Sendable (Result<LedgerReply, SequencerError>) -> Void
    ) {
        if answered == delivery, awaited > 0 { awaited -= 1 }
        let isFirst = batch.isEmpty
        request.add(to: &batch, of: service, reply)
        if timer != nil {
            if isComplete { open() }
        } else if isFirst, !batch.isEmpty {
            // A task runs when all that the loop has read in this turn was handled.
            let bound = NIOLoopBound(self, eventLoop: loop)
            loop.execute { bound.value.endTurn() }
        }
    }

    /// Notes that so many replies are written now; gives the number of this delivery.
    func deliver(_ replies: Int) -> UInt64 {
        delivery += 1
        awaited = replies
        return delivery
    }

    private var isComplete: Bool { awaited == 0 || batch.count >= RequestGate.enough }

    private func endTurn() {
        if isComplete { return open() }
        let bound = NIOLoopBound(self, eventLoop: loop)
        timer = loop.scheduleTask(in: RequestGate.patience) {
            // Who did not come by now is not waited for again.
            bound.value.awaited = 0
            bound.value.open()
        }
    }

    private func open() {
        timer?.cancel()
        timer = nil
        var full = LedgerBatch()
        swap(&full, &batch)
        if full.count >= RequestGate.enough { handOvers = RequestGate.handOvers }
        if awaited == 0, !full.hasReads, handOvers == 0 { return commit(full) }
        handOvers = max(0, handOvers - 1)
        service.submit(full)
    }

    /// Everyone who is expected waits for one sync: to wake another thread for it, and to be woken
    /// by it, takes as long as half a sync of a fast disk.
    private func commit(_ group: LedgerBatch) {
        let start = NIODeadline.now()
        service.commit(group)
        if .now() - start > RequestGate.quick { handOvers = RequestGate.handOvers }
    }
}

/// Replies on their way from the thread that committed to an event loop: all of one commit cross in
/// one step.
final class ReplyQueue: Sendable {
    private struct Reply {
        let connection: NIOLoopBound<ServedConnection>
        let frame: LedgerFrame
        let room: Int
        let result: Result<LedgerReply, SequencerError>
    }

    private let loop: any EventLoop
    private let waiting = Mutex<[Reply]>([])

    init(loop: any EventLoop) {
        self.loop = loop
    }

    /// What to call with the reply to a request, once, from any thread. `room` is what the reply
    /// has of the house's budget.
    func ticket(
        for connection: ServedConnection, _ frame: LedgerFrame, room: Int
    ) -> @Sendable (Result<LedgerReply, SequencerError>) -> Void {
        let bound = NIOLoopBound(connection, eventLoop: loop)
        return { [self] result in
            let isFirst = waiting.withLock { waiting in
                waiting.append(
                    Reply(connection: bound, frame: frame, room: room, result: result))
                return waiting.count == 1
            }
            if isFirst { loop.execute { self.deliver() } }
        }
    }

    private func deliver() {
        let replies = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        guard let delivery = replies.first?.connection.value.gate.deliver(replies.count) else {
            return
        }
        for (place, reply) in replies.enumerated() {
            let connection = reply.connection.value
            connection.write(reply.frame, reply.result, room: reply.room, delivery: delivery)
            // One client's replies go out together; the first client's wait for nobody's.
            let next = place + 1
            if next == replies.count || replies[next].connection.value !== connection {
                connection.flush()
            }
        }
    }
}
