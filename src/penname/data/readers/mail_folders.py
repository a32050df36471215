"""Which messages are left out as no texts that their senders sent: drafts, spam, deleted ones and Gmail's chats.

Mail programs tell it by a message's folder, in their user's language, by a flag in its file's name, or by a header.
"""

from __future__ import annotations

import re

from penname.data.readers.base import SourceFile

NOT_SENT = "draft, spam, chat or deleted email"
"""The reason by which these are counted."""

_DRAFTS = """
draft|drafts|templates|entwurf|entwürfe|vorlagen|brouillon|brouillons|modèles|borrador|borradores|rascunho|rascunhos
bozza|bozze|concepten|utkast|kladde|kladder|luonnokset|koncepty|rozepsané|szkice|kopie robocze|wersje robocze
piszkozatok|ciorne|черновик|черновики|чернетки|πρόχειρα|taslaklar|thư nháp|draf|草稿|草稿箱|下書き|임시보관함
임시 보관함|المسودات|مسودات|טיוטות|ड्राफ़्ट|ร่างจดหมาย
"""
_SPAM = """
spam|junk|junk email|junk e-mail|junk-e-mail|bulk mail|pourriel|courrier indésirable|indésirables|correo no deseado
lixo eletrônico|lixo eletrónico|posta indesiderata|ongewenst|ongewenste e-mail|skräppost|søppelpost|uønsket mail
roskaposti|nevyžádaná pošta|wiadomości-śmieci|levélszemét|спам|нежелательная почта|ανεπιθύμητα|önemsiz|垃圾邮件|垃圾郵件
迷惑メール|스팸|스팸함|정크 메일|البريد العشوائي|غير مرغوب فيها|ספאם|דואר זבל|स्पैम|จดหมายขยะ
"""
_KINDS = {
    name: kind for kind, table in (("a draft", _DRAFTS), ("spam", _SPAM)) for name in re.split(r"[|\n]", table.strip())
}
_CHATS = ("chat", "chats")
"""What Gmail calls talks, in which others speak too; a folder of mail may be called so for another reason."""

_MAILDIR_FLAGS = re.compile(r"[:;!]2,([A-Za-z]*)$")
_FOLDER_MARKS = re.compile(r"\.(?:mbox|mbx|sbd)$", re.IGNORECASE)
_EXPUNGED = 0x0008


def kind_of_folder(file: SourceFile, is_mailbox: bool) -> str | None:
    """What messages of a file are that were not sent, by its folders and its name; None for any others.

    is_mailbox: whether the file is a folder of messages itself.
    """
    flags = _MAILDIR_FLAGS.search(file.name)
    if flags and "D" in flags[1]:
        return "a draft"
    folders = file.parts if is_mailbox else file.parts[:-1]
    names = (re.split(r"[./]", _FOLDER_MARKS.sub("", folder))[-1] for folder in folders)  # Maildir has .INBOX.Drafts
    return _kind(*names)


def kind_of_message(gmail_labels: str, mozilla_status: str) -> str | None:
    """What a message is that was not sent; None for any other.

    gmail_labels: the header `X-Gmail-Labels` of Google's exports.
    mozilla_status: the header `X-Mozilla-Status` of Thunderbird, which keeps deleted messages until it tidies up.
    """
    if re.fullmatch(r"[0-9A-Fa-f]{1,4}", mozilla_status) and int(mozilla_status, 16) & _EXPUNGED:
        return "a deleted message"
    labels = [_plain(label) for label in gmail_labels.split(",")]
    return "a chat" if any(label in _CHATS for label in labels) else _kind(*labels)


def _kind(*names: str) -> str | None:
    return next((kind for name in names if (kind := _KINDS.get(_plain(name)))), None)


def _plain(name: str) -> str:
    return name.strip(' "').casefold()
