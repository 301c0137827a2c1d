public import Primitives

/// All that is promised through a channel: what one voucher says.
public struct VoucherSum: Hashable, Sendable {
    /// The channel.
    public let channel: ChannelID
    /// What is promised from its opening on, in chain units.
    public let cumulative: UInt128

    /// This sum of this channel.
    public init(_ channel: ChannelID, cumulative: UInt128) {
        self.channel = channel
        self.cumulative = cumulative
    }
}

/// Under which books the last voucher of a channel is signed: what the house owed at a head of its
/// journal by which its sum was promised.
public struct VoucherSeal: Hashable, Sendable {
    /// The voucher.
    public let sum: VoucherSum
    /// The books. Their batch is none.
    public let books: LiabilityCommitment
}

extension ClearingHouse {
    /// Fixes under which books these sums are promised. They are in the order of their channels,
    /// and no more than channels may be open: a journal takes no longer list.
    mutating func sealVouchers(
        _ sums: [VoucherSum], _ books: LiabilityCommitment, into events: inout [Event]
    ) throws(Rejection) {
        if sums.count > Limits.openChannels { throw .limitExceeded }
        var last: UInt64 = 0
        for sum in sums {
            guard let channel = channels.at(sum.channel), sum.channel.rawValue > last,
                sum.cumulative > sealedSum(of: sum.channel), sum.cumulative <= channel.promised
            else { throw .nothingToSeal }
            last = sum.channel.rawValue
        }
        if sums.isEmpty { throw .nothingToSeal }
        guard books.batch == .none, books.sequence >= index.voucherBooks else { throw .wrongBooks }
        for sum in sums {
            let seal = VoucherSeal(sum: sum, books: books)
            let place = voucherSeals.places { $0.sum.channel.rawValue < sum.channel.rawValue }
            if place < voucherSeals.count, voucherSeals[place].sum.channel == sum.channel {
                voucherSeals[place] = seal
            } else {
                voucherSeals.insert(seal, at: place)
            }
            indexVouchers(of: sum.channel)
            events.append(.voucherSealed(sum.channel, cumulative: sum.cumulative))
        }
        index.voucherBooks = books.sequence
    }

    /// Under which books the last sealed voucher of a channel is signed; `nil` if there is none.
    /// O(log channels).
    public func seal(ofVouchers channel: ChannelID) -> VoucherSeal? {
        let place = voucherSeals.places { $0.sum.channel.rawValue < channel.rawValue }
        guard place < voucherSeals.count, voucherSeals[place].sum.channel == channel else {
            return nil
        }
        return voucherSeals[place]
    }

    private func sealedSum(of channel: ChannelID) -> UInt128 {
        seal(ofVouchers: channel)?.sum.cumulative ?? 0
    }

    /// What is promised and not sealed yet, in the order of the channels. O(those).
    public var unsealedVouchers: [VoucherSum] {
        index.unsealedVouchers.sorted { $0.rawValue < $1.rawValue }.map {
            VoucherSum($0, cumulative: channels[$0].promised)
        }
    }

    /// Whether anything is promised that is not sealed yet. O(1).
    public var hasUnsealedVouchers: Bool { !index.unsealedVouchers.isEmpty }

    /// Notes whether a channel's voucher waits for its books.
    mutating func indexVouchers(of channel: ChannelID) {
        if channels[channel].promised > sealedSum(of: channel) {
            index.unsealedVouchers.insert(channel)
        } else {
            index.unsealedVouchers.remove(channel)
        }
    }

    mutating func restoreVoucherSeals(from reader: inout ByteReader) throws(CodecError) {
        voucherSeals = try reader.readArray(limit: .max)
        if voucherSeals.isEmpty { throw .invalidValue("voucher seals") }
        var last: UInt64 = 0
        for seal in voucherSeals {
            guard let channel = channels.at(seal.sum.channel), seal.sum.channel.rawValue > last,
                seal.sum.cumulative > 0, seal.sum.cumulative <= channel.promised
            else { throw .invalidValue("voucher seal") }
            last = seal.sum.channel.rawValue
            index.voucherBooks = max(index.voucherBooks, seal.books.sequence)
            indexVouchers(of: seal.sum.channel)
        }
    }
}

extension VoucherSum: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(channel)
        writer.write(cumulative)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(try reader.read(), cumulative: try reader.readUInt128())
    }
}

extension VoucherSeal: CanonicalCodable {
    public func encode(into writer: inout ByteWriter) {
        writer.write(sum)
        writer.write(books)
    }

    public init(from reader: inout ByteReader) throws(CodecError) {
        self.init(sum: try reader.read(), books: try reader.read())
    }
}
