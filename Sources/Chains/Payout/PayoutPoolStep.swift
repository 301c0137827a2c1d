public import Primitives

/// A root of a house's, and what the house knows of it.
public struct PayoutPoolRoot: Hashable, Sendable {
    /// How far the house knows it to be.
    public enum Stage: Hashable, Sendable {
        /// It is to be committed.
        case due
        /// A final block has it in waiting.
        case committed
        /// It was dropped, and nobody has said yet that it is committed anew.
        case dropped
    }

    /// A root and the sum of its leaves.
    public struct Claims: Hashable, Sendable {
        /// The root.
        public let root: Digest
        /// The sum of the leaves.
        public let total: UInt64

        /// A root with the sum of its leaves.
        public init(_ root: Digest, total: UInt64) {
            self.root = root
            self.total = total
        }

        func isOf(_ other: PayoutRoot) -> Bool { root == other.root && total == other.total }
    }

    /// The root.
    public let claims: Claims
    /// How far it is.
    public let stage: Stage
    /// The last epoch of the pool that the house knows to be used up; its own once it was
    /// committed; 0 for none.
    public let epoch: UInt64
    /// The root before it, which pays meanwhile; `nil` for none.
    public let before: Claims?

    /// A root of which this is known.
    public init(_ claims: Claims, _ stage: Stage, epoch: UInt64, after before: Claims?) {
        self.claims = claims
        self.stage = stage
        self.epoch = epoch
        self.before = before
    }
}

/// What is to be done next for a root of a house's: a function of what a final block says of the
/// pool and of what is known of the root, and of nothing else.
public enum PayoutPoolStep: Hashable, Sendable {
    /// Nothing, for now.
    case wait
    /// It is to be committed under this epoch. The program takes each epoch once, so that sending
    /// it twice moves no money twice.
    case commit(epoch: UInt64)
    /// It is to be made the one that pays.
    case activate
    /// It was committed under this epoch, which is not known yet.
    case isCommitted(epoch: UInt64)
    /// It was dropped.
    case isDropped
    /// It pays.
    case isActive
    /// The pool has a root that is not the house's: whoever committed it has the settler's key.
    case foreign(PayoutRoot)

    /// The next step at a slot that is final.
    public init(_ pool: PayoutPoolState, _ root: PayoutPoolRoot, at slot: UInt64) {
        // Behind what is known: of nodes that have not seen it.
        if pool.epoch < root.epoch {
            self = .wait
            return
        }
        self =
            Self.news(pool, root) ?? Self.foreign(in: pool, root).map { .foreign($0) }
            ?? Self.act(pool, root, slot)
    }

    /// What the pool says of the root and the house does not know.
    private static func news(_ pool: PayoutPoolState, _ root: PayoutPoolRoot) -> Self? {
        if let active = pool.active, root.claims.isOf(active) {
            if root.stage != .due { return .isActive }
            return active.epoch > root.epoch ? .isCommitted(epoch: active.epoch) : nil
        }
        guard let waiting = pool.waiting, root.claims.isOf(waiting), root.stage == .due,
            waiting.epoch > root.epoch
        else { return nil }
        return .isCommitted(epoch: waiting.epoch)
    }

    /// A root that pays or waits and is none of the house's. Its own under a later epoch than is
    /// known somebody else has committed; under an earlier one a node has not seen its end.
    private static func foreign(
        in pool: PayoutPoolState, _ root: PayoutPoolRoot
    ) -> PayoutRoot? {
        guard let found = foreign(in: pool, paying: root.before, since: root.epoch) else {
            return nil
        }
        return root.claims.isOf(found) && found.epoch <= root.epoch ? nil : found
    }

    /// A root in a pool whose last root of the house's is this one, of this epoch, and which has no
    /// other.
    public static func foreign(
        in pool: PayoutPoolState, paying claims: PayoutPoolRoot.Claims?, since epoch: UInt64
    ) -> PayoutRoot? {
        if pool.epoch < epoch { return nil }
        func isOwn(_ root: PayoutRoot) -> Bool { claims?.isOf(root) == true }
        // Of nodes that have not seen yet that it pays.
        if let waiting = pool.waiting, isOwn(waiting), waiting.epoch <= epoch { return nil }
        if let active = pool.active, !isOwn(active) { return active }
        return pool.waiting
    }

    private static func act(
        _ pool: PayoutPoolState, _ root: PayoutPoolRoot, _ slot: UInt64
    ) -> Self {
        switch root.stage {
        case .dropped: return .wait
        case .due: return pool.epoch < .max ? .commit(epoch: pool.epoch + 1) : .wait
        case .committed:
            if pool.waiting == nil { return .isDropped }
            return slot >= pool.activeFrom ? .activate : .wait
        }
    }
}
