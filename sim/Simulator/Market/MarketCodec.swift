import Clearing
import Economics
import Primitives

extension Books {
    func encodeTotals(into writer: inout ByteWriter) {
        for sum in [escrow, fee, burn, insurance, captured, chain, minted, claimed] {
            writer.write(sum)
        }
    }

    mutating func decodeTotals(from reader: inout ByteReader) throws(CodecError) {
        escrow = try reader.readUInt128()
        fee = try reader.readUInt128()
        burn = try reader.readUInt128()
        insurance = try reader.readUInt128()
        captured = try reader.readUInt128()
        chain = try reader.readUInt128()
        minted = try reader.readUInt128()
        claimed = try reader.readUInt128()
    }
}

extension TokenMarket {
    func encode(into writer: inout ByteWriter) {
        writer.write(pool.first)
        writer.write(pool.second)
        writer.write(genesis)
        writer.write(burned)
        writer.write(UInt64(bitPattern: productFalls))
        for price in history { writer.write(UInt64(bitPattern: price)) }
    }

    mutating func decode(from reader: inout ByteReader, feePerMille: UInt32) throws(CodecError) {
        let (dollars, tokens): (Amount, Amount) = (try reader.read(), try reader.read())
        guard dollars.units >> 112 == 0, tokens.units >> 112 == 0,
            min(dollars, tokens).units > 1_000
        else { throw .invalidValue("reserve") }
        pool = TokenMarket.filled(dollars, tokens, feePerMille: feePerMille)
        genesis = try reader.readUInt128()
        burned = try reader.readUInt128()
        productFalls = Int64(bitPattern: try reader.readUInt64())
        for place in history.indices {
            history[place] = Int64(bitPattern: try reader.readUInt64())
        }
    }
}

extension Conditions {
    func encode(into writer: inout ByteWriter) {
        for value in [price, trust, meanFees, meanReward, treasury, holder, marked] + roi {
            writer.write(UInt64(bitPattern: value))
        }
        writer.write(bonded)
    }

    mutating func decode(from reader: inout ByteReader) throws(CodecError) {
        price = Int64(bitPattern: try reader.readUInt64())
        trust = Int64(bitPattern: try reader.readUInt64())
        meanFees = Int64(bitPattern: try reader.readUInt64())
        meanReward = Int64(bitPattern: try reader.readUInt64())
        treasury = Int64(bitPattern: try reader.readUInt64())
        holder = Int64(bitPattern: try reader.readUInt64())
        marked = Int64(bitPattern: try reader.readUInt64())
        for place in roi.indices { roi[place] = Int64(bitPattern: try reader.readUInt64()) }
        bonded = try reader.readUInt128()
    }
}

extension KernelHouse {
    func encode(into writer: inout ByteWriter) {
        writer.write(rules)
        writer.write(UInt64(liveCount))
        writer.write(jobsBefore)
        writer.write(epoch)
        writer.write(emissionRest)
        writer.write(emissionState)
        writer.write(UInt32(pending.count))
        for penalty in pending {
            writer.write(UInt32(bitPattern: penalty.provider))
            writer.write(UInt32(bitPattern: penalty.verifier))
            writer.write(UInt32(bitPattern: penalty.buyer))
            writer.write(penalty.rung)
            writer.write(UInt64(bitPattern: penalty.cost))
            writer.write(UInt64(bitPattern: penalty.bonded))
            writer.write(UInt64(bitPattern: penalty.unbonding))
            writer.write(penalty.epoch)
        }
    }

    mutating func decode(from reader: inout ByteReader) throws(CodecError) {
        rules = try reader.read()
        liveCount = Int(clamping: try reader.readUInt64())
        jobsBefore = try reader.readUInt64()
        epoch = try reader.readUInt64()
        emissionRest = try reader.read()
        emissionState = try reader.read()
        pending = []
        for _ in 0..<(try reader.readUInt32()) {
            pending.append(
                PendingPenalty(
                    provider: Int32(bitPattern: try reader.readUInt32()),
                    verifier: Int32(bitPattern: try reader.readUInt32()),
                    buyer: Int32(bitPattern: try reader.readUInt32()),
                    rung: try reader.readUInt8(),
                    cost: Int64(bitPattern: try reader.readUInt64()),
                    bonded: Int64(bitPattern: try reader.readUInt64()),
                    unbonding: Int64(bitPattern: try reader.readUInt64()),
                    epoch: try reader.readUInt64()))
        }
    }
}

extension TwinHouse {
    func encode(into writer: inout ByteWriter) {
        writer.write(now)
        writer.write(block)
        writer.write(requests)
        writer.write(jobsBefore)
        house.encode(into: &writer)
    }

    mutating func decode(from reader: inout ByteReader) throws(CodecError) {
        now = try reader.readUInt64()
        block = try reader.readUInt64()
        requests = try reader.readUInt128()
        jobsBefore = try reader.readUInt64()
        house = ClearingHouse()
        try house.restore(from: &reader)
    }
}
