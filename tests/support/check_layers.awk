# awk -f check_layers.awk layers.txt FILES…: prints every #include that crosses a layer; exit 1 if there is one.
FILENAME == ARGV[1] { if (NF && !/^#/) { k = $1; $1 = ""; may[k] = $0 } next }
FNR == 1 { own = ""; for (k in may) if (index(FILENAME, k "/") == 1 && length(k) > length(own)) own = k; if (FILENAME in may) own = FILENAME }
own && match($0, /^ *# *include ["<][^">]+/) {
    inc = substr($0, RSTART, RLENGTH); sub(/^[^"<]*/, "", inc); lib = sub(/^</, "", inc); sub(/^"/, "", inc)
    if (lib && !(("<" inc ">") in may)) next
    if (!lib && inc !~ /\//) next # generated or local
    n = split(lib ? may["<" inc ">"] : may[own] " " own, ok, " "); good = 0
    for (i = 1; i <= n; i++) if (index((lib ? FILENAME : inc) "/", ok[i] "/") == 1) good = 1
    if (!good) { print FILENAME ":" FNR ": " own " may not include " inc; bad = 1 }
}
END { exit bad }
