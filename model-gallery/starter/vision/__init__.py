"""The eyes of the starter chat model: its picture encoder, the joint training, all figures."""
