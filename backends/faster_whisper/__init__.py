"""Speech to text on CTranslate2, by faster-whisper."""
