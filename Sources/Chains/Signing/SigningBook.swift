import Cryptography
public import Primitives

/// What a signer's keys have signed for today, and what of earlier days still matters: a value,
/// which its owner makes durable before it gives a signature away.
public struct SigningBook: Hashable, Sendable {
    /// One key's part.
    struct KeyBook: Hashable, Sendable {
        let key: String
        /// What it signed for on `day`.
        var spent = SigningCost()
        /// The last transactions: what is signed again for the same nonce counts as far as it
        /// costs more, since the chain takes only one.
        var recent: [Recent] = []
        /// What counts once, newest last, with the most that was signed for each.
        var once: [Mark] = []
        /// The sums that only grow.
        var marks: [Mark] = []
    }

    struct Recent: Hashable, Sendable {
        let place: Digest
        var coin: UInt128
    }

    struct Mark: Hashable, Sendable {
        let name: Digest
        var usd, tly: UInt128
    }

    private static let recentKept = 256
    private static let onceKept = 4_096

    /// The day of UTC since 1970.
    private(set) var day: UInt64 = 0
    /// By key, ascending.
    private(set) var keys: [KeyBook] = []

    /// An empty book.
    public init() {}

    /// What a key has signed for on the day of `now`.
    public func spent(by key: String, at now: Timestamp) -> SigningCost {
        guard Self.day(of: now) <= day else { return SigningCost() }
        return keys.first { $0.key == key }?.spent ?? SigningCost()
    }

    /// A clock that goes backwards does not begin a day anew.
    private static func day(of now: Timestamp) -> UInt64 {
        now.nanoseconds / 86_400_000_000_000
    }

    /// Takes a transaction down, unless it is above a cap; then nothing changes. Returns what it
    /// adds to the day. O(recent transactions).
    mutating func admit(
        _ wanted: SigningAssessment, by key: String, _ policy: SigningPolicy, at now: Timestamp
    ) throws(SignerRefusal) -> SigningCost {
        let index = keys.firstIndex { $0.key >= key } ?? keys.count
        var book = index < keys.count && keys[index].key == key ? keys[index] : KeyBook(key: key)
        let isNewDay = Self.day(of: now) > day
        if isNewDay { book.spent = SigningCost() }
        let added = book.take(wanted, committed: policy.committed)
        guard wanted.mostItMoves(adding: added).isWithin(policy.perTransaction) else {
            throw SignerRefusal(
                .transactionCap, "\(wanted.name) is above what one transaction may cost or move")
        }
        book.spent = book.spent.plus(added)
        // What adds nothing is signed also where the day's cap was lowered meanwhile.
        guard added == SigningCost() || book.spent.isWithin(policy.perDay) else {
            throw SignerRefusal(
                .dayCap, "\(wanted.name) is above what the key may spend or move in a day")
        }
        if isNewDay {
            day = Self.day(of: now)
            for place in keys.indices { keys[place].spent = SigningCost() }
        }
        if index < keys.count, keys[index].key == key {
            keys[index] = book
        } else {
            keys.insert(book, at: index)
        }
        return added
    }
}

extension SigningBook.KeyBook {
    /// Takes down what a place costs, known or not; returns what of it is new.
    private mutating func take(_ coin: UInt128, at place: Digest, _ known: Int?) -> UInt128 {
        guard let known else {
            recent.append(SigningBook.Recent(place: place, coin: coin))
            if recent.count > SigningBook.recentKept { recent.removeFirst() }
            return coin
        }
        defer { recent[known].coin = max(recent[known].coin, coin) }
        return coin - min(coin, recent[known].coin)
    }

    /// Takes a transaction down; returns what is new about it.
    fileprivate mutating func take(
        _ wanted: SigningAssessment, committed: SigningCost
    ) -> SigningCost {
        var added = wanted.cost
        var isAgain = false
        if let place = wanted.place {
            let known = recent.firstIndex { $0.place == place }
            isAgain = known != nil
            added.coin = take(wanted.cost.coin, at: place, known)
        }
        switch wanted.movement {
        case .each:
            if isAgain { (added.usd, added.tly) = (0, 0) }
        case .once(let name):
            // The chain takes one of them, and nobody knows which: the dearest counts.
            guard let place = once.firstIndex(where: { $0.name == name }) else {
                once.append(
                    SigningBook.Mark(name: name, usd: wanted.cost.usd, tly: wanted.cost.tly))
                if once.count > SigningBook.onceKept { once.removeFirst() }
                break
            }
            let before = SigningCost(usd: once[place].usd, tly: once[place].tly)
            let grown = wanted.cost.above(before)
            (added.usd, added.tly) = (grown.usd, grown.tly)
            once[place].usd = max(before.usd, wanted.cost.usd)
            once[place].tly = max(before.tly, wanted.cost.tly)
        case .growing(let name):
            let place = marks.firstIndex { $0.name == name }
            let before = place.map { SigningCost(usd: marks[$0].usd, tly: marks[$0].tly) }
            let grown = wanted.cost.above(before ?? committed)
            (added.usd, added.tly) = (grown.usd, grown.tly)
            let mark = SigningBook.Mark(
                name: name, usd: max(wanted.cost.usd, before?.usd ?? committed.usd),
                tly: max(wanted.cost.tly, before?.tly ?? committed.tly))
            if let place { marks[place] = mark } else { marks.append(mark) }
        }
        return added
    }
}

// MARK: Bytes

extension SigningBook: CanonicalCodable {
    /// A version, the day, then each key's part. Version 1 had no amounts with what counts once;
    /// they are read as 0, so that it counts again.
    public func encode(into writer: inout ByteWriter) {
        writer.write(UInt8(2))
        writer.write(day)
        writer.write(UInt32(keys.count))
        for key in keys { key.encode(into: &writer) }
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        let version = try reader.readUInt8()
        guard (1...2).contains(version) else { throw .invalidValue("version") }
        day = try reader.readUInt64()
        for _ in 0..<(try reader.readCount(limit: 1_024)) {
            keys.append(try KeyBook(from: &reader, version: version))
        }
    }
}

extension SigningBook.KeyBook {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.write(key)
        writer.write(spent.coin)
        writer.write(spent.usd)
        writer.write(spent.tly)
        writer.write(recent)
        writer.write(once)
        writer.write(marks)
    }

    fileprivate init(from reader: inout ByteReader, version: UInt8) throws(CodecError) {
        self.init(key: try reader.readString(limit: 64))
        spent = SigningCost(
            coin: try reader.readUInt128(), usd: try reader.readUInt128(),
            tly: try reader.readUInt128())
        recent = try reader.readArray(limit: 1 << 16)
        if version == 1 {
            for _ in 0..<(try reader.readCount(limit: 1 << 16)) {
                once.append(SigningBook.Mark(name: try reader.readDigest(), usd: 0, tly: 0))
            }
        } else {
            once = try reader.readArray(limit: 1 << 16)
        }
        marks = try reader.readArray(limit: 1 << 16)
    }
}

extension SigningBook.Recent: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(place)
        writer.write(coin)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        self.init(place: try reader.readDigest(), coin: try reader.readUInt128())
    }
}

extension SigningBook.Mark: CanonicalCodable {
    func encode(into writer: inout ByteWriter) {
        writer.write(name)
        writer.write(usd)
        writer.write(tly)
    }

    init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            name: try reader.readDigest(), usd: try reader.readUInt128(),
            tly: try reader.readUInt128())
    }
}
