public import Primitives

/// Under which books dispersals are made: those of a run of numbers, and what the house owed at a
/// head of its journal by which they were decided. Their transactions carry both.
public struct DispersalSeal: Hashable, Sendable {
    /// The first dispersal that is made under these books.
    public let first: DispersalID
    /// The last one.
    public let last: DispersalID
    /// The books. Their batch is none.
    public let books: LiabilityCommitment
}

extension ClearingHouse {
    mutating func sealDispersals(
        _ first: DispersalID, _ last: DispersalID, _ books: LiabilityCommitment,
        into events: inout [Event]
    ) throws(Rejection) {
        guard first.rawValue > lastSealedDispersal, first.rawValue <= last.rawValue,
            last.rawValue <= UInt64(dispersals.count)
        else { throw .nothingToSeal }
        guard books.batch == .none, books.sequence >= dispersalSeals.last?.books.sequence ?? 0
        else {
            throw .wrongBooks
        }
        dispersalSeals.append(DispersalSeal(first: first, last: last, books: books))
        events.append(.dispersalsSealed(first, last))
    }

    /// The number of the last dispersal of which it is fixed under which books it is made; 0 if
    /// there is none.
    public var lastSealedDispersal: UInt64 { dispersalSeals.last?.last.rawValue ?? 0 }

    /// Under which books a dispersal is made; `nil` before that is fixed, and for those of before
    /// there were seals. O(log seals).
    public func books(of dispersal: DispersalID) -> LiabilityCommitment? {
        let found = dispersalSeals.places { $0.last.rawValue < dispersal.rawValue }
        guard found < dispersalSeals.count,
            dispersalSeals[found].first.rawValue <= dispersal.rawValue
        else { return nil }
        return dispersalSeals[found].books
    }

    /// Up to which dispersal the books of those on Solana are stated there; 0 if none are.
    public var lastStatedDispersal: UInt64 { index.statements.last?.last.rawValue ?? 0 }

    /// The statement on Solana that covers a dispersal: under which books it was made at the
    /// latest, and the transaction that says so. `nil` if there is none yet, and for one that was
    /// made before there were seals. O(log statements).
    public func statement(
        of dispersal: DispersalID
    ) -> (books: LiabilityCommitment, transaction: [UInt8])? {
        guard books(of: dispersal) != nil else { return nil }
        let found = index.statements.places { $0.last.rawValue < dispersal.rawValue }
        guard found < index.statements.count else { return nil }
        let (last, place) = index.statements[found]
        return books(of: last).map { ($0, costs[place].transaction) }
    }

    mutating func restoreSeals(from reader: inout ByteReader) throws(CodecError) {
        dispersalSeals = try reader.readArray(limit: .max)
        guard !dispersalSeals.isEmpty, lastSealedDispersal <= UInt64(dispersals.count) else {
            throw .invalidValue("seals")
        }
        var last: UInt64 = 0
        for seal in dispersalSeals {
            guard seal.first.rawValue > last, seal.first.rawValue <= seal.last.rawValue else {
                throw .invalidValue("seal")
            }
            last = seal.last.rawValue
        }
    }
}

extension DispersalSeal: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(first)
        writer.write(last)
        writer.write(books)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(
            first: try reader.read(), last: try reader.read(), books: try reader.read())
    }
}
