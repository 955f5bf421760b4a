#!/bin/bash
# tools/check_layers passes on this tree, and refuses one broken rule at a time in a copy of a tiny one.
set -euo pipefail
root=$1
check="$root/tools/check_layers"

"$check" "$root"
echo "the tree itself passes"

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/src/{base,io,script,store,ledger,node}
cp "$root/src/README.md" "$tree/src/"
echo '#include "base/a.h"' >"$tree/src/io/ok.c"
echo '#include <liburing.h>' >"$tree/src/io/door.c"
printf '#include <openssl/sha.h>\n#include <stdio.h>\n' >"$tree/src/base/hash.c"
"$check" "$tree"

refuses() { # FILE LINE: this line in this file is found and named
    echo "$2" >"$tree/src/$1"
    if report=$("$check" "$tree"); then
        echo "not refused: $2 in $1"
        exit 1
    fi
    case "$report" in
    "src/$1:1: "*) echo "refused: $report" ;;
    *)
        echo "wrong report: $report"
        exit 1
        ;;
    esac
    rm "$tree/src/$1"
}
refuses base/up.c '#include "io/ring.h"'
refuses io/up.h '#  include "node/main.h"'
refuses ledger/side.c '#include "store/blocks.h"'
refuses io/folder.c '#include "ring.h"'
refuses io/nowhere.c '#include "nowhere/ring.h"'
refuses node/uring.c '#include <liburing.h>'
refuses node/uring2.c '#include <linux/io_uring.h>'
refuses node/secp.c '#include <secp256k1.h>'
refuses base/ssl.c '#include <openssl/sha.h>'
refuses script/ssl.c '#include <openssl/evp.h>'
refuses node/web.c '#include <microhttpd.h>'
mkdir "$tree/src/extra"
refuses extra/new.c '#include "base/a.h"'
"$check" "$tree"
