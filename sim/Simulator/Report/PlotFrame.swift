/// The frame that most plots share: axes with ticks, units and a legend above.
struct PlotFrame {
    var canvas: SVGCanvas
    let x: PlotScale
    let y: PlotScale
    let left: Double
    let right: Double
    let top: Double
    let bottom: Double

    static let width = 640.0
    static let height = 360.0

    /// How a frame's scales are made.
    struct Axes {
        var xTitle: String
        var yTitle: String
        var xValues: [Double]
        var yValues: [Double]
        var xLogarithmic = false
        var zero = true
        /// Names of the series with their classes, if there are several.
        var legend: [(name: String, style: String)] = []
    }

    init(_ axes: Axes) {
        let (width, height) = (PlotFrame.width, PlotFrame.height)
        let rows = PlotFrame.legendRows(axes.legend, width: width - 24)
        top = 34 + Double(rows.count) * 20
        bottom = height - 48
        y = PlotScale(axes.yValues, from: bottom, to: top, zero: axes.zero, padded: true)
        let widest = y.ticks.map { SVGCanvas.width(of: $0.text) }.max() ?? 0
        left = max(44, widest + 18)
        right = width - 18
        x = PlotScale(
            axes.xValues, from: left, to: right, ticks: 6, logarithmic: axes.xLogarithmic)
        canvas = SVGCanvas(width: width, height: height)
        canvas.text(axes.yTitle, 12, 20, style: "title")
        drawLegend(rows)
        for tick in y.ticks {
            canvas.line(left, y.place(tick.value), right, y.place(tick.value), style: "grid")
            canvas.text(tick.text, left - 8, y.place(tick.value) + 4, .end)
        }
        canvas.line(left, bottom, right, bottom, style: "axis")
        for tick in x.ticks {
            let place = x.place(tick.value)
            canvas.line(place, bottom, place, bottom + 5, style: "axis")
            // The last label stays within the drawing.
            let half = SVGCanvas.width(of: tick.text) / 2
            let anchor: SVGCanvas.Anchor = place + half > width - 4 ? .end : .middle
            canvas.text(tick.text, anchor == .end ? width - 4 : place, bottom + 19, anchor)
        }
        canvas.text(axes.xTitle, (left + right) / 2, height - 10, .middle, style: "title")
    }

    /// Entries in rows that fit.
    private static func legendRows(
        _ entries: [(name: String, style: String)], width: Double
    ) -> [[(name: String, style: String)]] {
        var rows: [[(name: String, style: String)]] = []
        var room = 0.0
        for entry in entries {
            let needed = SVGCanvas.width(of: entry.name) + 40
            if rows.isEmpty || needed > room {
                rows.append([])
                room = width
            }
            rows[rows.count - 1].append(entry)
            room -= needed
        }
        return rows
    }

    private mutating func drawLegend(_ rows: [[(name: String, style: String)]]) {
        for (row, entries) in rows.enumerated() {
            var place = 12.0
            let middle = 40 + Double(row) * 20
            for entry in entries {
                canvas.line(place, middle - 4, place + 18, middle - 4, style: "line \(entry.style)")
                canvas.text(entry.name, place + 24, middle)
                place += SVGCanvas.width(of: entry.name) + 40
            }
        }
    }
}
