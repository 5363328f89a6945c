#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# venv.sh [PACKAGE] - syn/venv.sh with LiteX, its memory controller and its boards
exec syn/venv.sh litex==2024.12 litedram==2024.12 liteeth==2024.12 litex-boards==2023.12 "$@"
