/// A number for each pair of two axes' values, as colours with a scale beside them.
struct HeatMap {
    var xTitle: String
    var yTitle: String
    var zTitle: String
    /// Ascending.
    var xs: [Double]
    var ys: [Double]
    /// By y, then x; not a number where nothing is known.
    var values: [[Double]]
    /// A line over the cells, in the axes' numbers: where theory has a boundary.
    var line: [(Double, Double)] = []
    var lineName = ""

    func element(title: String) -> String {
        let (width, height) = (PlotFrame.width, 420.0)
        let known = values.joined().filter(\.isFinite)
        let labels = ys.map { ReportNumber.short($0) }
        let left = max(48, (labels.map { SVGCanvas.width(of: $0) }.max() ?? 0) + 34)
        let scale = PlotScale(known, from: height - 64, to: 44)
        let scaleRoom = (scale.ticks.map { SVGCanvas.width(of: $0.text) }.max() ?? 0) + 44
        let (right, top, bottom) = (width - scaleRoom, 44.0, height - 64)
        var canvas = SVGCanvas(width: width, height: height)
        canvas.text(zTitle, 12, 20, style: "title")
        let (cellWidth, cellHeight) = (
            (right - left) / Double(xs.count), (bottom - top) / Double(ys.count)
        )
        let span = scale.high - scale.low
        let digits = ReportNumber.digits(scale.low, scale.high)
        for (row, line) in values.enumerated() {
            for (column, value) in line.enumerated() where value.isFinite {
                let part = (value - scale.low) / span
                let (x, y) = (
                    left + Double(column) * cellWidth, bottom - Double(row + 1) * cellHeight
                )
                canvas.rectangle(
                    x, y, cellWidth + 0.4, cellHeight + 0.4, fill: PlotStyle.heat(part),
                    tip:
                        "\(xs[column]), \(ys[row]): \(ReportNumber.short(value, digits: digits + 1))"
                )
                let text = ReportNumber.short(value, digits: digits)
                if SVGCanvas.width(of: text) + 8 < cellWidth, cellHeight > 18 {
                    canvas.text(
                        text, x + cellWidth / 2, y + cellHeight / 2 + 4, .middle,
                        style: PlotStyle.inkClass(on: part))
                }
            }
        }
        let places = line.map { point in
            (
                left + (position(point.0, in: xs) + 0.5) * cellWidth,
                bottom - (position(point.1, in: ys) + 0.5) * cellHeight
            )
        }.filter { $0.0 >= left && $0.0 <= right && $0.1 >= top && $0.1 <= bottom }
        canvas.path(places, style: "closed-form")
        canvas.path(places, style: "closed-form inner")
        drawAxes(&canvas, left, right, bottom, cellWidth, cellHeight, labels)
        drawScale(&canvas, scale, right + 14)
        return canvas.element(title: title)
    }

    /// A value's place among the cells: whole at a cell's middle, straight between.
    private func position(_ value: Double, in axis: [Double]) -> Double {
        guard axis.count > 1 else { return 0 }
        let above = axis.firstIndex { $0 >= value } ?? axis.count
        let below = min(max(above - 1, 0), axis.count - 2)
        return Double(below) + (value - axis[below]) / (axis[below + 1] - axis[below])
    }

    private func drawAxes(
        _ canvas: inout SVGCanvas, _ left: Double, _ right: Double, _ bottom: Double,
        _ cellWidth: Double, _ cellHeight: Double, _ labels: [String]
    ) {
        let names = xs.map { ReportNumber.short($0) }
        let widest = (names.map { SVGCanvas.width(of: $0) }.max() ?? 0) + 10
        let every = max(1, Int((widest / cellWidth).rounded(.up)))
        for (place, name) in names.enumerated() where place % every == 0 {
            let x = left + (Double(place) + 0.5) * cellWidth
            canvas.text(name, x, bottom + 17, .middle)
        }
        let everyRow = max(1, Int((16 / cellHeight).rounded(.up)))
        for (place, name) in labels.enumerated() where place % everyRow == 0 {
            canvas.text(name, left - 8, bottom - (Double(place) + 0.5) * cellHeight + 4, .end)
        }
        canvas.text(xTitle, (left + right) / 2, bottom + 38, .middle, style: "title")
        canvas.text(yTitle, 16, (44 + bottom) / 2, .middle, style: "title", turned: true)
        if !line.isEmpty, !lineName.isEmpty {
            canvas.line(left, bottom + 54, left + 26, bottom + 54, style: "closed-form inner")
            canvas.text(lineName, left + 32, bottom + 58)
        }
    }

    private func drawScale(_ canvas: inout SVGCanvas, _ scale: PlotScale, _ x: Double) {
        let steps = 48
        let height = (scale.from - scale.to) / Double(steps)
        for step in 0..<steps {
            canvas.rectangle(
                x, scale.from - Double(step + 1) * height, 14, height + 0.4,
                fill: PlotStyle.heat((Double(step) + 0.5) / Double(steps)))
        }
        for tick in scale.ticks {
            canvas.text(tick.text, x + 20, scale.place(tick.value) + 4)
        }
    }

    /// The numbers, a row a cell.
    var csv: String {
        var text = "x,y,value\n"
        for (row, line) in values.enumerated() {
            for (column, value) in line.enumerated() {
                text += "\(xs[column]),\(ys[row]),\(value)\n"
            }
        }
        return text
    }
}
